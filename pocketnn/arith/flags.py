"""What an op reports beside its values: overflow flags, and the range it needed before narrowing."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

__all__ = ["CLEAN", "OWN_RANGE", "Flags", "OwnRange", "Span", "Terms", "add_flags", "merge_spans"]


class Flags(NamedTuple):
    """Overflow flags of one executed op. Everything counts; nothing is a percentage.

    events: narrowings that changed a value. elements: result elements with at least one event.
    transient: elements whose final value is the exact one all the same (wraparound is a ring).
    corrupted: elements whose final value differs from the exact one. elements = transient + corrupted.
    vanished: non-zero dividends in `div` into an update register whose exact quotient is zero.
    zero_divisions: elements divided by zero.
    first: row-major index of the first element with an event, -1 if there is none.
    """

    events: int = 0
    elements: int = 0
    transient: int = 0
    corrupted: int = 0
    vanished: int = 0
    zero_divisions: int = 0
    first: int = -1


CLEAN = Flags()


class Span(NamedTuple):
    """Exact ranges of one op before narrowing.

    lo..hi: the exact results. least..most: the results, and for `mac` and `sum` also every product and every
    partial sum in any order of summation (the sums of the negative and of the positive terms), so a word
    that holds least..most cannot overflow there however a compiler or a DSP instruction orders the additions.
    """

    lo: int
    hi: int
    least: int
    most: int


class OwnRange(Enum):
    """Stands for the span of a result that nothing changed and nothing was folded into: the range of its elements.

    Whoever wants the numbers takes them from the result (`measured`, or `Extent` for many at once): reducing each
    result by itself costs half as much again as a training step, reducing them in batches a fifth.
    """

    OWN_RANGE = "own range"


OWN_RANGE = OwnRange.OWN_RANGE


class Terms:
    """Stands for the span of a fold that certainly did not overflow: lo..hi is the range of its result, and least..most
    follows from what was added up, the products of the matrices `a` and `b`, or with no `b` the elements of `a` along
    `axis`.

    Whoever wants the numbers takes them from the result and this (`measured`, or `Extent` for many at once): the
    product that they need costs as much as the fold, and for small ones the calls cost more than the arithmetic.
    dtype: the sums of all terms' absolute values, and twice that, are exact in it.
    """

    __slots__ = ("a", "axis", "b", "dtype")

    def __init__(self, a: Any, b: Any, axis: int, dtype: Any) -> None:
        self.a = a
        self.b = b
        self.axis = axis
        self.dtype = dtype

    @property
    def size(self) -> int:
        """Number of elements that it keeps."""
        size: int = self.a.size + (0 if self.b is None else self.b.size)
        return size


def add_flags(a: Flags, b: Flags) -> Flags:
    """Totals of both; `first` is kept from `a` and has no meaning across ops."""
    return Flags(
        a.events + b.events,
        a.elements + b.elements,
        a.transient + b.transient,
        a.corrupted + b.corrupted,
        a.vanished + b.vanished,
        a.zero_divisions + b.zero_divisions,
        a.first,
    )


def merge_spans(a: Span | None, b: Span | None) -> Span | None:
    """The smallest span that covers both; None stands for nothing seen."""
    if a is None or b is None:
        return a or b
    if a.lo <= b.lo and b.hi <= a.hi and a.least <= b.least and b.most <= a.most:
        return a
    return Span(min(a.lo, b.lo), max(a.hi, b.hi), min(a.least, b.least), max(a.most, b.most))
