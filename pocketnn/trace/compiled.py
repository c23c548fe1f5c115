"""Compiled kernel (numba, the optional extra `fast`): ranges and digests of many results in one call.

Measured reason: for the 72 results of a training step on MNIST it takes NumPy 260 us, the kernel 95. Equal to NumPy in
every number; tests compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pocketnn.arith import jit
from pocketnn.trace.digest import Array, hash_keys, register_dtype

__all__ = ["look_at"]

_CHUNK = 2048  # elements that are narrowed before their words are summed, so that the registers stay in the L1 cache


def _kernel(lane: Any, per_word: int) -> Any:
    """The kernel for registers of one type, of which `per_word` make 64 bits. Unsigned indices need no checks of
    their sign, and in integers alone does the search for the extremes become vector instructions."""

    @jit.kernel()
    def kernel(numbers, sizes, factors, table):  # type: ignore[no-untyped-def]  # numba infers
        chunk, share, none = np.uint64(_CHUNK), np.uint64(per_word), np.uint64(0)
        registers = np.empty(_CHUNK, lane)
        words = registers.view(np.uint64)
        first = none
        for result in range(sizes.size):
            size = np.uint64(sizes[result])
            lo = hi = lane(numbers[first])
            total = start = none
            while start < size:
                count = min(chunk, size - start)
                for i in range(count):
                    x = lane(numbers[first + start + i])
                    registers[np.uint64(i)] = x
                    lo, hi = min(lo, x), max(hi, x)
                full = (count + share - np.uint64(1)) // share
                for i in range(count, full * share):
                    registers[np.uint64(i)] = 0
                for i in range(full):
                    total += words[np.uint64(i)] * factors[start // share + np.uint64(i)]
                start += count
            table[result, 0], table[result, 1], table[result, 2] = lo, hi, np.int64(total)
            first += size

    return kernel


_KERNELS: dict[int, Any] = {
    1: _kernel(np.int8, 8),
    2: _kernel(np.int16, 4),
    4: _kernel(np.int32, 2),
    8: _kernel(np.int64, 1),
}
_BY_BITS = {bits: _KERNELS[register_dtype(bits).itemsize] for bits in range(1, 65)}


def look_at(numbers: Array, sizes: Array, bits: int) -> Array:
    """Rows of smallest and greatest element and digest, in int64, of each of many results.

    numbers: the results one after the other, whole floats that a word of `bits` bits holds. sizes: of each, at least 1.
    """
    table = np.empty((sizes.size, 3), np.int64)
    _BY_BITS[bits](numbers, sizes, hash_keys(int(sizes.max())), table)
    return table
