"""Hypothesis strategies for registers and what is in them, and the operands at which arithmetic usually breaks."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from pocketnn.arith import MAX_BITS, MIN_BITS, Overflow, Register, Role, Word

__all__ = [
    "arrays",
    "broadcasting",
    "integers_outside",
    "overflows",
    "patterned",
    "registers",
    "roles",
    "shapes",
    "values",
    "words",
]


@cache
def patterned(word: Word) -> tuple[int, ...]:
    """0, +-1, the bounds, powers of two (all with their neighbours), walking ones and zeros; the smallest first."""
    centres = {0, word.lo, word.hi}
    for bit in range(word.bits - 1):
        one = 1 << bit
        centres |= {one, -one, ~one, word.hi ^ one, word.lo | one}  # ~one: a walking zero; the others keep the sign
    near = {centre + step for centre in centres for step in (-1, 0, 1)}
    return tuple(sorted((v for v in near if word.lo <= v <= word.hi), key=lambda v: (abs(v), v)))


def words(least: int = MIN_BITS, most: int = MAX_BITS) -> st.SearchStrategy[Word]:
    """Words of any width, the named ones as often as the rest together."""
    named = [Word(bits) for bits in (8, 16, 32) if least <= bits <= most]
    every = st.integers(least, most).map(Word)
    return st.sampled_from(named) | every if named else every


overflows = st.sampled_from(Overflow)
roles = st.sampled_from(Role)


def registers(of: st.SearchStrategy[Word] | None = None) -> st.SearchStrategy[Register]:
    """Registers of any role, in either overflow mode."""
    return st.builds(Register, roles, words() if of is None else of, overflows)


def values(word: Word) -> st.SearchStrategy[int]:
    """Register contents: patterned ones as often as arbitrary ones."""
    return st.sampled_from(patterned(word)) | st.integers(word.lo, word.hi)


def shapes(least: int = 0, most: int = 3, longest: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of `least` to `most` axes, single values and empty ones included."""
    return st.lists(st.integers(0, longest), min_size=least, max_size=most).map(tuple)


@st.composite
def broadcasting(draw: st.DrawFn, count: int) -> tuple[tuple[int, ...], ...]:
    """`count` shapes that broadcast: some of them short of leading axes, some with axes of length 1."""
    full = draw(shapes())
    result = []
    for _ in range(count):
        cut = draw(st.integers(0, len(full)))
        result.append(tuple(1 if draw(st.booleans()) else n for n in full[cut:]))
    return tuple(result)


@st.composite
def arrays(draw: st.DrawFn, word: Word, shape: tuple[int, ...]) -> np.ndarray:
    """Register contents of a shape, as int64: a few drawn values, spread by a seed where there are many places."""
    size = int(np.prod(shape, dtype=int))
    if size <= 4:
        items = draw(st.lists(values(word), min_size=size, max_size=size))
        return np.array(items, np.int64).reshape(shape)
    pool = np.array(draw(st.lists(values(word), min_size=1, max_size=8)), np.int64)
    return np.random.default_rng(draw(st.integers(0, 999))).choice(pool, shape)


integers_outside = st.integers() | st.integers(-(1 << 65), 1 << 65) | st.sampled_from(patterned(Word(48)))
"""Integers that no register has seen yet."""
