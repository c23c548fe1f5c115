"""The range of results: of one, or of many in batches."""

from __future__ import annotations

import numpy as np

from pocketnn.arith.backend import Outcome, Values
from pocketnn.arith.carrier import Array, extremes
from pocketnn.arith.flags import OWN_RANGE, Span, merge_spans

__all__ = ["Extent", "measured"]

_BATCH = 1 << 15  # elements; beyond it the cost of a call no longer matters
_MANY = 64  # results; kept ones take memory
_LARGE = 1 << 13  # results of this size are reduced alone: copying them together would cost more than it saves


def measured(outcome: Outcome) -> Span | None:
    """The exact range of an outcome in numbers; None if it was not measured."""
    if outcome.span is not OWN_RANGE:
        return outcome.span
    lo, hi = extremes(outcome.value.numbers())
    return Span(lo, hi, lo, hi)


class Extent:
    """The span of many results. Those whose range is their own are kept until there are enough of them to reduce."""

    __slots__ = ("_kept", "_size", "_span")

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._size = 0
        self._span: Span | None = None

    def add(self, value: Values) -> None:
        """Cover the range of a result's elements, at least one; it must not change afterwards."""
        data = value.numbers()
        if data.size > _LARGE:
            self._reduce(data)
            return
        self._kept.append(data)
        self._size += data.size
        if self._size > _BATCH or len(self._kept) > _MANY:
            self._settle()

    def cover(self, span: Span) -> None:
        """Cover a span that is known."""
        self._span = merge_spans(self._span, span)

    @property
    def span(self) -> Span | None:
        """The smallest span that covers everything; None if that was nothing."""
        if self._kept:
            self._settle()
        return self._span

    def _settle(self) -> None:
        kept, self._kept, self._size = self._kept, [], 0
        self._reduce(np.concatenate([data.reshape(-1) for data in kept]))

    def _reduce(self, data: Array) -> None:
        lo, hi = extremes(data)
        self.cover(Span(lo, hi, lo, hi))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extent) and self.span == other.span

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<Extent {self.span}>"
