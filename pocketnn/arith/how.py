"""How a Vector executes ops, beside operands and register: whether it measures, and with which compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pocketnn.arith.backend import Integers

try:
    from pocketnn.arith import compiled
except ImportError:  # numba is an optional extra
    compiled = None  # type: ignore[assignment]

__all__ = ["HAVE_COMPILED", "How", "extremes"]

HAVE_COMPILED = compiled is not None


class How:
    """measure: report each op's exact range. kernels: whether compiled code may be used at all.

    compiled: the module of kernels made by numba; None if it is not installed, or not to be used.
    """

    __slots__ = ("_extremes", "compiled", "kernels", "measure")

    def __init__(self, measure: bool, kernels: bool = True) -> None:
        self.measure = measure
        self.kernels = kernels
        self.compiled = compiled if kernels else None
        self._extremes: dict[Any, Any] = {} if self.compiled is None else self.compiled.EXTREMES

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied without the module."""
        return How, (self.measure, self.kernels)

    def extremes(self, data: Integers) -> tuple[int, int]:
        """`extremes`, for floats in the kernel: a fifth of the time for a small array, half for a large one."""
        kernel = self._extremes.get(data.dtype)
        if kernel is not None and data.size:
            flags = data.flags
            if flags.c_contiguous or flags.f_contiguous:
                lo, hi = kernel(data if flags.c_contiguous else data.T)
                return lo, hi
        return extremes(data)


def extremes(data: Integers) -> tuple[int, int]:
    """Minimum and maximum as Python integers; (0, 0) for an empty array."""
    if data.size == 0:
        return 0, 0
    return int(np.minimum.reduce(data, axis=None)), int(np.maximum.reduce(data, axis=None))
