"""Compiled kernels (numba, the optional extra `fast`): the sequential fold of `mac`, and division by one number.

Measured reasons. Where most accumulations overflow, the NumPy fold needs a dozen passes over the result per step of
the fold; the kernel needs one (`pocketnn bench --word 16` prints the ratio). Dividing the gradient of 784 x 100 weights
and counting what vanished takes NumPy six passes and 56 us, the kernel one and 25; `bench` prints what that comes to.
Equal to `sequential.fold` and to NumPy in every value and count; tests compare them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from pocketnn.arith.carrier import Array
from pocketnn.arith.word import Overflow, Register

__all__ = ["divide", "mac_fold"]


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
