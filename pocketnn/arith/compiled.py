"""The sequential fold of `mac` as a compiled kernel (numba, the optional extra `fast`).

Measured reason: where most accumulations overflow, the NumPy fold needs a dozen passes over the result per step of
the fold; this kernel needs one (`pocketnn bench --word 16` prints the ratio). Equal to `sequential.fold` in every
value and count; a test compares them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from pocketnn.arith.carrier import Array
from pocketnn.arith.word import Overflow, Register

__all__ = ["mac_fold"]


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
