"""How kernels are compiled: by numba, once, and kept on disk where there is a place for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["kernel"]


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator for functions that numba compiles when they are called, `options` being numba's.

    They run without Python's lock. Where numba finds no folder that it may write to, as in a container without a home,
    they are compiled anew in every process.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:
            return numba.njit(nogil=True, **options)(function)

    return decorate
