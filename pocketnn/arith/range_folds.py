"""`mac` and `sum` on ranges: every prefix in the stated order, and every partial sum in any order.

Exact for operands whose elements are independent: the extremes of each prefix are the sums of the extremes of its
terms, and the extremes over all orders are the sums of the negative and of the positive extremes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pocketnn.arith.backend import Integers
from pocketnn.arith.ranges import Partition, Ranges
from pocketnn.arith.word import Overflow, Register

__all__ = ["Reach", "mac", "total"]

_SPARE = 1 << 62  # int64 with one bit to spare


class Reach(NamedTuple):
    """What a fold can come to, for every result element; dtype int64 or, where that could be too small, object.

    lo, hi: the exact sums. least, most: products and partial sums in any order. outside: whether a product or a
    partial sum in the stated order can miss the register. low, high: the sums when each step saturates.
    """

    lo: Integers
    hi: Integers
    least: Integers
    most: Integers
    outside: Integers
    low: Integers
    high: Integers


def mac(a: Ranges, b: Ranges, to: Register) -> tuple[tuple[Partition, ...], Reach]:
    """Matrix product (N, K) by (K, M). Partitions of a's rows are kept: an output row has the case of its row."""
    a, b = a.hull(_of_rows(a)), b.hull()
    depth = a.shape[1]
    dtype = _exact_dtype(a, b, depth)
    left = [bound.astype(dtype)[..., None] for bound in (a.lo, a.hi)]
    right = [bound.astype(dtype)[None] for bound in (b.lo, b.hi)]
    if b.is_point:  # half the corners, for the case that matters: known weights
        corners = [left[0] * right[0], left[1] * right[0]]
        low, high = np.minimum(*corners), np.maximum(*corners)
    else:
        corners = [x * y for x in left for y in right]
        low = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
        high = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    return a.keys, _fold(low, high, -2, depth, 2, to)


def total(x: Ranges, axis: int, to: Register) -> tuple[tuple[Partition, ...], Reach]:
    """Sum along `axis`. Partitions of the rows are kept where the sum is along a row."""
    x = x.hull(_of_rows(x) if axis > 0 else ())
    dtype = _exact_dtype(x, None, x.shape[axis])
    position = axis - len(x.shape)
    reach = _fold(x.lo.astype(dtype), x.hi.astype(dtype), position, x.shape[axis], 1, to)
    return x.keys, Reach(*(np.expand_dims(bound, position) for bound in reach))


def _of_rows(x: Ranges) -> tuple[Partition, ...]:
    return tuple(key for key in x.keys if key.by_row) if len(x.shape) == 2 else ()


def _exact_dtype(a: Ranges, b: Ranges | None, depth: int) -> Any:
    """int64 where no sum of `depth` products can leave it (computed in Python integers), else Python integers."""
    bound = depth
    for x in (a, b):
        if x is not None:
            lo, hi = x.ends()
            bound *= max(-lo, hi, 1)
    return np.int64 if bound < _SPARE else object


def _fold(low: Integers, high: Integers, axis: int, depth: int, rounds: int, to: Register) -> Reach:
    """Add up terms within low..high along `axis`, narrowed themselves if `rounds` is 2.

    An axis of length 1 stands for `depth` terms of equal range.
    """
    word = to.word
    times = depth if low.shape[axis] == 1 else 1
    lo, hi = low.sum(axis=axis) * times, high.sum(axis=axis) * times
    least = np.minimum(low, 0).sum(axis=axis) * times
    most = np.maximum(high, 0).sum(axis=axis) * times
    outside = (least < word.lo) | (most > word.hi)
    if not outside.any():
        return Reach(lo, hi, least, most, outside, lo, hi)
    checked = [np.cumsum(low, axis=axis) * times, np.cumsum(high, axis=axis) * times]
    if (
        rounds == 2 or times > 1
    ):  # a term is narrowed, or is the first of the prefixes of equal terms; the last is above
        checked += [low, high]
    outside = np.zeros(lo.shape, bool)
    for bound in checked:
        outside |= ((bound < word.lo) | (bound > word.hi)).any(axis=axis)
    if not outside.any() or to.overflow is Overflow.WRAP:
        return Reach(lo, hi, least, most, outside, lo, hi)
    if rounds == 2:
        low, high = np.clip(low, word.lo, word.hi), np.clip(high, word.lo, word.hi)
    return Reach(lo, hi, least, most, outside, _saturating(low, axis, times, to), _saturating(high, axis, times, to))


def _saturating(terms: Integers, axis: int, times: int, to: Register) -> Integers:
    """The fold of known terms that saturates at each step; monotone in every term."""
    word = to.word
    terms = np.moveaxis(terms, axis, 0)
    if times > 1:  # equal steps in one direction, stopped at the bound
        return np.asarray(np.clip(terms[0] * times, word.lo, word.hi))
    result: Integers = np.zeros_like(terms[0])
    for term in terms:
        result = np.asarray(np.clip(result + term, word.lo, word.hi))
    return result
