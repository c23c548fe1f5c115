"""Ops in bulk: a second opinion in int64 on what an op did at every element, for runs too long for byhand.py.

Shares nothing with the package's arithmetic: no carriers, no bounds, no certificates. Folds run term by term in a plain
loop, compiled by numba because a run of MNIST folds 40 thousand million terms.
"""

import functools
from typing import NamedTuple

import numpy as np


class Bulk(NamedTuple):
    """What happened at every element; see byhand.Element. zero: where it was divided by zero. lost: quotients of
    non-zero numbers that are zero."""

    events: np.ndarray
    stored: np.ndarray
    exact: np.ndarray
    least: np.ndarray
    most: np.ndarray
    zero: np.ndarray
    lost: int


def narrow(x, bits, wraps):
    half = 1 << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half if wraps else np.clip(x, -half, half - 1)


@functools.cache
def compiled():
    import numba

    @numba.njit
    def fold(a, b, half, wraps, stored, events, exact, least, most):
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                factor = a[i, k]
                if factor == 0:
                    continue  # adds zero
                for j in range(b.shape[1]):
                    term = factor * b[k, j]
                    exact[i, j] += term
                    least[i, j] += min(term, 0)
                    most[i, j] += max(term, 0)
                    kept = ((term + half) & (2 * half - 1)) - half if wraps else min(max(term, -half), half - 1)
                    total = stored[i, j] + kept
                    after = ((total + half) & (2 * half - 1)) - half if wraps else min(max(total, -half), half - 1)
                    events[i, j] += (kept != term) + (after != total)
                    stored[i, j] = after

    return fold


def mac(a, b, bits, wraps):
    stored, events, exact, least, most = (np.zeros((a.shape[0], b.shape[1]), np.int64) for _ in range(5))
    compiled()(np.ascontiguousarray(a), np.ascontiguousarray(b), 1 << (bits - 1), wraps, stored, events, exact, least,
               most)  # fmt: skip
    return stored, events, exact, least, most


def total(x, axis, bits, wraps):
    rows = np.moveaxis(x, axis, 0)
    stored, events, exact, least, most = (np.zeros(rows.shape[1:], np.int64) for _ in range(5))
    for row in rows:
        before = stored + narrow(row, bits, wraps)
        stored = narrow(before, bits, wraps)
        events += (narrow(row, bits, wraps) != row).astype(int) + (stored != before)
        exact, least, most = exact + row, least + np.minimum(row, 0), most + np.maximum(row, 0)
    return [np.expand_dims(found, axis) for found in (stored, events, exact, least, most)]


def chosen(x, below, choices):
    result = np.full(x.shape, choices[-1])
    for limit, choice in list(zip(below, choices, strict=False))[::-1]:
        result = np.where(x < limit, choice, result)
    return result


def quotient(a, b):
    return np.abs(a) // np.abs(np.where(b == 0, 1, b)) * np.sign(a) * np.sign(b)


SINGLE = {
    "load": lambda x: x,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": quotient,
    "clamp": lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
    "select": chosen,
    "transpose": np.transpose,
    "argmax": lambda x: x.argmax(-1),
}


def bulk(op, given, bits, wraps):
    """One execution of an op on given int64 arrays and static parameters, on a register of `bits` bits."""
    if op.name in ("mac", "sum"):
        stored, events, exact, least, most = {"mac": mac, "sum": total}[op.name](*given, bits, wraps)
        return Bulk(events, stored, exact, least, most, np.zeros(exact.shape, bool), 0)
    exact = SINGLE[op.name](*given)
    stored = narrow(exact, bits, wraps)
    zero, lost = np.zeros(exact.shape, bool), 0
    if op.name == "div":
        zero = np.broadcast_to(given[1] == 0, exact.shape)
        lost = int(((exact == 0) & (given[0] != 0) & ~zero).sum())
    return Bulk((stored != exact) & ~zero, stored, exact, exact, exact, zero, lost)
