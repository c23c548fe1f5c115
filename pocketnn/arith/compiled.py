"""Compiled kernels (numba, the optional extra `fast`): the sequential fold of `mac`, what it needs in any order, and
division by one number.

Measured reasons. Where most accumulations overflow, the NumPy fold needs a dozen passes over the result per step of
the fold; the kernel needs one (`pocketnn bench --word 16` prints the ratio). Dividing the gradient of 784 x 100 weights
and counting what vanished takes NumPy six passes and 56 us, the kernel one and 25; `bench` prints what that comes to.
The least and most of the 13 folds of a recorded training step take NumPy 420 us, the kernel 130.
Equal to `sequential.fold` and to NumPy in every value and count; tests compare them.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from pocketnn.arith.carrier import Array
from pocketnn.arith.word import Overflow, Register

__all__ = ["divide", "mac_fold", "reach"]


def _kernel(lane: Any) -> Any:
    """The kernel for one lane type; numba widens int32 arithmetic to int64 unless each result is cast back."""

    @numba.njit(cache=True, nogil=True)
    def kernel(left, right, shift, lo, hi, saturate, stored, events):  # type: ignore[no-untyped-def]  # numba infers
        for i in range(left.shape[0]):
            for k in range(left.shape[1]):
                a = left[i, k]
                if a == 0:
                    continue  # a zero product fits and changes no accumulator
                if saturate:
                    for j in range(right.shape[1]):
                        exact = lane(a * right[k, j])
                        product = lane(min(max(exact, lo), hi))
                        total = lane(stored[i, j] + product)
                        kept = lane(min(max(total, lo), hi))
                        events[i, j] += lane(exact != product) + lane(total != kept)
                        stored[i, j] = kept
                else:
                    for j in range(right.shape[1]):
                        exact = lane(a * right[k, j])
                        product = lane(lane(exact << shift) >> shift)
                        total = lane(stored[i, j] + product)
                        kept = lane(lane(total << shift) >> shift)
                        events[i, j] += lane(exact != product) + lane(total != kept)
                        stored[i, j] = kept

    return kernel


_KERNELS: dict[type, Any] = {np.int32: _kernel(numba.int32), np.int64: _kernel(numba.int64)}


def mac_fold(left: Array, right: Array, dtype: type, to: Register) -> tuple[Array, Array, int]:
    """`sequential.fold` of (N, K) by (K, M) in lanes of `dtype` (int32 or int64, as `lane_dtype` chose)."""
    stored = np.zeros((left.shape[0], right.shape[1]), dtype)
    events = np.zeros_like(stored)
    lane = stored.dtype.type
    shift = lane(stored.itemsize * 8 - to.word.bits)
    _KERNELS[dtype](
        np.ascontiguousarray(left, dtype), np.ascontiguousarray(right, dtype),
        shift, lane(to.word.lo), lane(to.word.hi), to.overflow is Overflow.SATURATE, stored, events,
    )  # fmt: skip
    return stored, events > 0, int(events.sum())


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _divide(dividends, divisor, quotients):  # type: ignore[no-untyped-def]  # numba infers
    flat, results = dividends.reshape(dividends.size), quotients.reshape(quotients.size)
    by = dividends.dtype.type(divisor)
    vanished = np.int32(0)  # the lanes of float32 dividends: counting in int64 would take twice as long
    for i in range(flat.size):
        quotient = np.trunc(flat[i] / by)
        results[i] = quotient
        vanished += np.int32(flat[i] != 0) - np.int32(quotient != 0)
    return vanished


def divide(dividends: Array, divisor: int, dtype: Any) -> tuple[Array, int]:
    """Truncated quotients by one number other than 0, and how many dividends other than 0 gave a quotient of 0.

    dividends: whole floats in C order, exact as in `vector._div`. dtype: float32 or float64, and holds the quotients. A
    divisor that float32 has to round is, before and after, greater than any dividend in float32: the quotients are 0.
    """
    quotients = np.empty(dividends.shape, dtype)
    return quotients, _divide(dividends, float(divisor), quotients)


def _reach_kernel(lane: Any) -> Any:
    """The kernel for results that `lane`, the integer type in which extremes are searched, holds doubled.

    The sums of absolute values are taken in float32, four terms at a time: so the running totals are read and written
    a quarter as often, and the zeros in which images abound are passed over. slack: 0 where those sums are exact, else
    by which part they may be wrong at most; the few elements that could then be the extreme are summed up in exact
    numbers. In an update, with more rows than terms, a row that cannot reach past what is known is left out: seven of
    ten on MNIST.
    """

    @numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
    def kernel(a, b, exact, lo, hi, slack):  # type: ignore[no-untyped-def]  # numba infers
        single, none, one = np.float32, np.uint64(0), np.uint64(1)
        rows, depth, columns = np.uint64(a.shape[0]), np.uint64(a.shape[1]), np.uint64(b.shape[1])
        largest = np.zeros(depth, np.float32)
        if rows > depth:
            for k in range(depth):
                top = lane(0)
                for j in range(columns):
                    top = max(top, lane(abs(b[k, j])))
                largest[k] = top
        totals = np.empty(columns, np.float32)
        least, most = lane(2 * min(lo, 0)), lane(2 * max(hi, 0))  # doubled; a result is among what was summed up
        for i in range(rows):
            if rows > depth:
                bound = single(0)
                for k in range(depth):
                    bound += single(abs(a[i, k])) * largest[k]
                if 2 * bound * (1 + slack) < min(most, -least):
                    continue
            totals[:] = 0
            at = none
            for _ in range(depth // np.uint64(4)):
                k1, k2, k3 = at + one, at + one + one, at + one + one + one
                p, q, r, s = single(abs(a[i, at])), single(abs(a[i, k1])), single(abs(a[i, k2])), single(abs(a[i, k3]))
                if p + q + r + s != 0:
                    for j in range(columns):
                        pair = p * single(abs(b[at, j])) + q * single(abs(b[k1, j]))
                        totals[j] += pair + (r * single(abs(b[k2, j])) + s * single(abs(b[k3, j])))
                at = k3 + one
            while at < depth:
                for j in range(columns):
                    totals[j] += single(abs(a[i, at])) * single(abs(b[at, j]))
                at += one
            low = high = lane(0)
            largest_total = lane(0)
            for j in range(columns):
                total, result = lane(totals[j]), lane(exact[i, j])
                largest_total = max(largest_total, total)
                low, high = min(low, lane(result - total)), max(high, lane(result + total))
            if slack == 0:
                least, most = min(least, low), max(most, high)
                continue
            off = lane(largest_total * slack) + lane(2)
            if high + off < most and low - off > least:
                continue
            for j in range(columns):
                total, result = lane(totals[j]), lane(exact[i, j])
                if result + total + off > max(most, high - off) or result - total - off < min(least, low + off):
                    total = lane(0)
                    for k in range(depth):
                        total += lane(abs(a[i, k])) * lane(abs(b[k, j]))
                    least, most = min(least, lane(result - total)), max(most, lane(result + total))
        return least // 2, most // 2

    return kernel


_reach_single, _reach_double = _reach_kernel(np.int32), _reach_kernel(np.int64)


def reach(a: Array, b: Array, exact: Array, lo: int, hi: int) -> tuple[int, int]:
    """The least sum of an element's negative terms, the greatest of its positive ones: see the certificate in `folds`.

    a, b: factors of a product, of whole floats; exact: the product, in a dtype in which the sums of all terms' absolute
    values and twice that are exact, with at least one element; lo, hi: its smallest and greatest.

    Sums that are exact in float64 alone are off in float32 by K + 4 factors within 1 - u..1 + u, u = 2^-24, in any
    order (Higham, Accuracy and Stability of Numerical Algorithms, 3.1): K additions, both operands and the product.
    """
    a, b, exact = np.ascontiguousarray(a), np.ascontiguousarray(b), np.ascontiguousarray(exact)
    found: tuple[int, int]
    if exact.itemsize == 4:
        found = _reach_single(a, b, exact, lo, hi, 0.0)
    else:
        found = _reach_double(a, b, exact, lo, hi, math.expm1(1.01 * (a.shape[1] + 4) * 2.0**-24))
    return found
