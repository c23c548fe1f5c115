"""Compiled kernels (numba, the optional extra `fast`): the sequential fold of `mac`, division by one number, products
with many zeros, extremes (of a sum, too), and placing among bounds.

Measured reasons. Where most accumulations overflow, the NumPy fold needs a dozen passes over the result per step of
the fold; the kernel needs one (`pocketnn bench --word 16` prints the ratio). Dividing the gradient of 784 x 100 weights
and counting what vanished takes NumPy six passes and 56 us, the kernel one and 25. Four of five pixels of MNIST are
zero: the product of 20 images and those weights takes OpenBLAS 82 us in float64, the kernel 30. Extremes of a small
array take NumPy's two calls 4.2 us, the kernel 0.6. Placing 500 x 100 numbers among six bounds takes NumPy's look-up
280 us, the kernel 68. `bench` prints what all that comes to.
Equal to `sequential.fold` and to NumPy in every value and count; tests compare them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from pocketnn.arith import jit
from pocketnn.arith.backend import Integers as Array
from pocketnn.arith.compiled_reach import reach
from pocketnn.arith.word import Overflow, Register

__all__ = ["EXTREMES", "add", "divide", "ladder", "mac_fold", "reach", "sparse_product"]


_TILE = 32  # rows of a product whose totals stay in the L1 cache


def _kernel(lane: Any) -> Any:
    """The kernel for one lane type; numba widens int32 arithmetic to int64 unless each result is cast back."""

    @jit.kernel()
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


@jit.kernel(error_model="numpy")
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


@jit.kernel(fastmath={"contract"})
def _sparse_product(left, right, result):  # type: ignore[no-untyped-def]  # numba infers
    """A tile of rows at a time: for every four terms, first which rows have any, then their products. Unsigned indices
    need no checks of their sign."""
    rows, depth, columns = np.uint64(left.shape[0]), np.uint64(left.shape[1]), np.uint64(right.shape[1])
    zero, one, four, tile = np.uint64(0), np.uint64(1), np.uint64(4), np.uint64(_TILE)
    totals, some = np.empty((tile, columns), np.int32), np.empty(tile + one, np.uint64)
    start = zero
    while start < rows:
        height = min(tile, rows - start)
        totals[:] = 0
        k = zero
        for _ in range(depth // four):
            k1, k2, k3 = k + one, k + one + one, k + one + one + one
            found = zero
            for i in range(height):
                n = start + np.uint64(i)
                some[found] = i
                found += np.uint64(abs(left[n, k]) + abs(left[n, k1]) + abs(left[n, k2]) + abs(left[n, k3]) != 0)
            for q in range(found):
                i = some[np.uint64(q)]
                n = start + i
                a, b, c, d = left[n, k], left[n, k1], left[n, k2], left[n, k3]
                for j in range(columns):
                    pair = np.int32(a * right[k, j] + b * right[k1, j])
                    totals[i, j] += np.int32(pair + np.int32(c * right[k2, j] + d * right[k3, j]))
            k = k3 + one
        while k < depth:
            for i in range(height):
                for j in range(columns):
                    totals[i, j] += np.int32(left[start + np.uint64(i), k] * right[k, j])
            k += one
        for i in range(height):
            result[start + np.uint64(i)] = totals[np.uint64(i)]
        start += height


@jit.kernel()
def _nonzero(matrix):  # type: ignore[no-untyped-def]  # numba infers
    count = 0
    for i in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            count += matrix[i, k] != 0
    return count


def sparse_product(left: Array, right: Array) -> Array | None:
    """Matrix product that skips the zeros of `left`; None if there are too few of them to be faster.

    left: (N, K); right: (K, M), both of whole floats. Two products are added up in float32, so no product may exceed
    2^23; those sums in int32, so no sum in any order may exceed 2^31 - 1.
    """
    if _nonzero(left) * 3 > left.size:
        return None
    result = np.empty((left.shape[0], right.shape[1]))
    _sparse_product(left, right, result)
    return result


def _extremes(lane: Any) -> Any:
    """The kernel in one type of integers: floats would not be compared many at a time."""

    @jit.kernel()
    def kernel(data):  # type: ignore[no-untyped-def]  # numba infers
        flat = data.reshape(data.size)
        lowest = highest = lane(flat[0])
        for i in range(flat.size):
            value = lane(flat[i])
            lowest, highest = min(lowest, value), max(highest, value)
        return lowest, highest

    return kernel


# Minimum and maximum of at least one whole number in C order, by dtype: below 2^24 in float32, 2^53 in float64.
EXTREMES: dict[Any, Any] = {
    np.dtype(kind): _extremes(numba.int32 if np.dtype(kind).itemsize <= 4 else numba.int64)
    for kind in (np.int8, np.int16, np.int32, np.int64, np.float32, np.float64)
}


@jit.kernel()
def _ladder(numbers, bounds, places):  # type: ignore[no-untyped-def]  # numba infers
    flat, found = numbers.reshape(numbers.size), places.reshape(places.size)
    found[:] = bounds.size
    for b in range(bounds.size - 1, -1, -1):
        bound = bounds[b]
        for i in range(flat.size):
            found[i] = b if flat[i] < bound else found[i]


def ladder(numbers: Array, bounds: Array) -> Array:
    """Position of the first bound above each number; the number of bounds where there is none.

    numbers: any shape, in C order; bounds: one axis, in any order. Many numbers are compared at a time, bound by bound.
    """
    places = np.empty(numbers.shape, np.intp)
    _ladder(numbers, bounds, places)
    return places


@jit.kernel()
def _add(a, b, total):  # type: ignore[no-untyped-def]  # numba infers
    x, y, result = a.reshape(a.size), b.reshape(b.size), total.reshape(total.size)
    lowest = highest = np.int32(x[0] + y[0])
    for i in range(x.size):
        value = x[i] + y[i]
        result[i] = value
        lowest, highest = min(lowest, np.int32(value)), max(highest, np.int32(value))
    return lowest, highest


def add(a: Array, b: Array) -> tuple[Array, int, int]:
    """Sum of two arrays of one shape, and its extremes: at least one element, in C order, float32, sums below 2^24."""
    total = np.empty(a.shape, np.float32)
    return total, *_add(a, b, total)
