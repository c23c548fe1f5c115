"""Drafts of test vectors, and the operands at which integer arithmetic on registers usually breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pocketnn.arith import Overflow, Register, Role, Tensor, Word, plain

WORDS = tuple(map(Word, (2, 3, 8, 16, 32, 48)))
I2, I3, I8, I16, I32, I48 = WORDS

MIXED = (
    ((I8, I16), I8), ((I16, I8), I16), ((I8, I8), I32), ((I32, I8), I16), ((I16, I16), I8), ((I48, I2), I32),
    ((I2, I48), I48), ((I32, I32), I48), ((I48, I48), I3), ((I3, I8), I2),
)  # fmt: skip
"""Words of two operands, and of where their result goes."""


class Draft(NamedTuple):
    """A case without name and answer."""

    operands: tuple[Tensor, ...]
    words: tuple[Word, ...]
    to: Register
    params: tuple[Any, ...]


Sections = Iterator[tuple[str, Iterable[Draft]]]


def tensor(outside: object) -> Tensor:
    """A number or nested lists as a tensor."""
    value = plain(outside)
    return Tensor(value.shape, value.items)


def empty(*shape: int) -> Tensor:
    """A tensor without elements."""
    return Tensor(shape, ())


def both(
    words: Iterable[Word],
    to: Word,
    *operands: object,
    params: tuple[Any, ...] = (),
    role: Role = Role.ACCUMULATOR,
) -> Iterator[Draft]:
    """The same operands into a wrapping and into a saturating register."""
    tensors = tuple(x if isinstance(x, Tensor) else tensor(x) for x in operands)
    for mode in Overflow:
        yield Draft(tensors, tuple(words), Register(role, to, mode), params)


def edges(word: Word) -> list[int]:
    """The bounds and their neighbours, 0, +-1, the power of two in the middle and its negative."""
    half = 1 << (word.bits // 2)
    near = {word.lo, word.lo + 1, -half, -1, 0, 1, half, word.hi - 1, word.hi}
    return sorted(x for x in near if word.lo <= x <= word.hi)


def column(items: Iterable[int]) -> Tensor:
    """Items below one another, to be met by a row."""
    return tensor([[x] for x in items])
