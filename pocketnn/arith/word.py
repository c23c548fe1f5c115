"""Registers: how wide they are, what they are for, and what they do with a value that does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from pocketnn.errors import UsageError

__all__ = ["INT8", "INT16", "INT32", "MAX_BITS", "MIN_BITS", "Overflow", "Register", "Role", "Word", "fit"]

MIN_BITS = 2
MAX_BITS = 48  # every register value is then exact in a float64, which the Vector backend relies on


@dataclass(frozen=True, slots=True)
class Word:
    """Signed two's-complement register format of `bits` bits, from `lo` = -2^(bits-1) to `hi` = 2^(bits-1)-1.

    Raises UsageError unless 2 <= bits <= 48.
    """

    bits: int
    lo: int = field(init=False, repr=False, compare=False)
    hi: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not MIN_BITS <= self.bits <= MAX_BITS:
            raise UsageError(
                f"word width is {self.bits!r}: pocketnn emulates {MIN_BITS} to {MAX_BITS} bits; "
                "give a whole number in that range"
            )
        object.__setattr__(self, "lo", -(1 << (self.bits - 1)))
        object.__setattr__(self, "hi", (1 << (self.bits - 1)) - 1)

    @classmethod
    def of(cls, given: Word | int) -> Word:
        """A word as it is, or the word of so many bits."""
        return given if isinstance(given, Word) else cls(given)

    @staticmethod
    def holding(lo: int, hi: int) -> int:
        """Bits of the narrowest two's-complement format (at least 1) that holds every integer in lo..hi."""
        return max((~lo if lo < 0 else lo).bit_length(), (~hi if hi < 0 else hi).bit_length()) + 1


INT8, INT16, INT32 = Word(8), Word(16), Word(32)


class Overflow(Enum):
    """What a register does with a value that does not fit: keep the low bits, or stop at the nearest bound.

    `Overflow("wrap")` is the mode of that name. Raises UsageError where there is none.
    """

    WRAP = "wrap"
    SATURATE = "saturate"

    @classmethod
    def _missing_(cls, value: object) -> Overflow:
        raise UsageError(f"overflow is {value!r}; there are {' and '.join(repr(mode.value) for mode in cls)}")


class Role(StrEnum):
    """What a register is for; each role may have its own word on a machine. HOST: not on the machine at all.

    `Role("input")` is the role of that name. Raises UsageError where there is none.
    """

    INPUT = "input"
    WEIGHT = "weight"
    BIAS = "bias"
    ACCUMULATOR = "accumulator"
    ACTIVATION = "activation"
    DELTA = "delta"
    FEEDBACK = "feedback"
    UPDATE = "update"
    LOSS = "loss"
    CONSTANT = "constant"
    HOST = "host"

    @classmethod
    def _missing_(cls, value: object) -> Role:
        raise UsageError(f"role is {value!r}; there are {', '.join(role for role in cls if role is not cls.HOST)}")


@dataclass(frozen=True, slots=True)
class Register:
    """Where an op's result goes: its role, its word on this machine, and what that word does on overflow.

    A role and a mode may be given by name, a word by its bits. Raises UsageError for what does not exist.
    """

    role: Role
    word: Word
    overflow: Overflow = Overflow.WRAP

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))
        object.__setattr__(self, "word", Word.of(self.word))
        object.__setattr__(self, "overflow", Overflow(self.overflow))


def fit(exact: int, word: Word, overflow: Overflow) -> int:
    """Narrow an exact integer into `word`: the nearest bound when saturating, the low bits when wrapping.

    A result that differs from `exact` is an overflow. Wraparound is arithmetic modulo 2^bits with
    representatives lo..hi (two's complement; C99 6.3.1.3 leaves it to the implementation, gcc defines it so).
    """
    if word.lo <= exact <= word.hi:
        return exact
    if overflow is Overflow.SATURATE:
        return word.hi if exact > 0 else word.lo
    return ((exact - word.lo) & ((1 << word.bits) - 1)) + word.lo
