"""Digests of results: 64 bits per value, over the register contents as bytes.

The digest serves comparison, not secrecy: any change of one element changes it, other changes go unnoticed with
probability 2^-64. What an adversary could forge is in the hash chain's keeping (`chain.py`) and in the replay's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pocketnn.arith import Values, Word

__all__ = ["digests", "hash_keys", "register_dtype", "registers"]

Array = np.ndarray[Any, np.dtype[Any]]


@cache
def register_dtype(bits: int) -> np.dtype[Any]:
    """The narrowest little-endian two's-complement type of 1, 2, 4 or 8 bytes that holds a word of `bits` bits."""
    return np.dtype(next(f"<i{size}" for size in (1, 2, 4, 8) if bits <= 8 * size))


def registers(value: Values, word: Word) -> Array:
    """The register contents in `register_dtype`, row-major and contiguous."""
    return np.ascontiguousarray(value.ints(register_dtype(word.bits)))


class _Keys:
    """k_0, k_1, ...: the outputs of splitmix64 from state 0 (Steele, Lea & Flood, OOPSLA 2014), made odd."""

    def __init__(self) -> None:
        self.values: Array = np.zeros(0, np.uint64)

    def reach(self, count: int) -> Array:
        """The first keys, `count` or more of them."""
        if count > self.values.size:
            state = np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            self.values = (state ^ (state >> np.uint64(31))) | np.uint64(1)
        return self.values


hash_keys = _Keys().reach


def digests(rows: Array) -> list[int]:
    """Multilinear hash of each row, as signed 64-bit integers: sum of w_i * k_i modulo 2^64.

    rows: register contents, a value a row. w_i: a row's bytes, padded with zeros to a multiple of 8, as little-endian
    64-bit integers. Every k_i is odd, so a change in one w_i always shows.
    """
    short = -rows.shape[1] * rows.itemsize % 8
    if short:
        rows = np.concatenate([rows, np.zeros((len(rows), short // rows.itemsize), rows.dtype)], axis=1)
    words = rows.view("<u8")
    result: list[int] = np.dot(words, hash_keys(words.shape[1])[: words.shape[1]]).view(np.int64).tolist()
    return result
