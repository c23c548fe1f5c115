"""The range of results: of one, or of many in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pocketnn.arith.backend import Outcome, Values
from pocketnn.arith.carrier import LARGE, Array
from pocketnn.arith.flags import OWN_RANGE, OwnRange, Span, Terms, merge_spans
from pocketnn.arith.how import How
from pocketnn.arith.product import ones, product

__all__ = ["Extent", "measured", "settled", "span_of", "spans_of"]

_BATCH = 1 << 15  # elements; beyond it the cost of a call no longer matters
_MANY = 64  # results; kept ones take memory
_HOW = How(measure=True)


def measured(outcome: Outcome) -> Span | None:
    """The exact range of an outcome in numbers; None if it was not measured."""
    span = outcome.span
    if span is OWN_RANGE:
        return _own(outcome.value.numbers())
    return span_of(span, outcome.value.numbers()) if isinstance(span, Terms) else span


def settled(outcome: Outcome) -> Outcome:
    """The outcome with a fold's Terms turned into numbers, for those who pass it on to several that want them."""
    return outcome._replace(span=measured(outcome)) if isinstance(outcome.span, Terms) else outcome


def span_of(terms: Terms, result: Array, known: Span | None = None) -> Span:
    """The span of a fold, from what it added up and its result; where it is within `known`, anything within that.

    In the compiled kernel if it is there: it takes a quarter of the time of NumPy's dozen calls.
    """
    compiled = _HOW.compiled
    least, most = (0, 0) if known is None else (known.least, known.most)
    if compiled is None:
        span = spans_of([(terms, result)])[0]
        return span._replace(least=min(least, span.least), most=max(most, span.most))
    a, b = terms.a, terms.b
    if b is None:  # a sum along the first axis is the product of a row of ones and a matrix
        if terms.axis:
            a, result = a.swapaxes(terms.axis, 0), result.swapaxes(terms.axis, 0)
        b, result = a.reshape(len(a), result.size), result.reshape(1, -1)
        a = ones(len(b), np.float32)
    return Span._make(compiled.reach(a, b, result, least, most))


def spans_of(folds: Sequence[tuple[Terms, Array]]) -> list[Span]:
    """The spans of folds, from what they added up and their results; those of the same shape are computed together."""
    alike: dict[Any, list[int]] = {}
    for i, (terms, result) in enumerate(folds):
        alike.setdefault((terms.a.shape, result.shape, terms.axis, terms.b is None, terms.dtype), []).append(i)
    spans: list[Any] = [None] * len(folds)
    for chosen in alike.values():
        for i, span in zip(chosen, _spans([folds[i] for i in chosen]), strict=True):
            spans[i] = span
    return spans


def _spans(folds: list[tuple[Terms, Array]]) -> list[Span]:
    """The spans of folds of one shape. With D the result and L the sum of the terms' absolute values, the sums of the
    negative and of the positive terms are (D-L)/2 and (D+L)/2; see `folds`."""
    first = folds[0][0]
    exact = _stack([result for _, result in folds], first.dtype)
    total = _stack([terms.a for terms, _ in folds], first.dtype, np.abs)
    if first.b is None:
        total = np.add.reduce(total, axis=first.axis + 1, keepdims=True)
    elif len(folds) == 1:
        total = product(total[0], np.abs(first.b), first.dtype)
    else:
        total = np.matmul(total, _stack([terms.b for terms, _ in folds], first.dtype, np.abs))
    exact, total = exact.reshape(len(folds), -1), total.reshape(len(folds), -1)
    least = np.minimum.reduce(exact - total, axis=1) / 2
    most = np.maximum.reduce(np.add(exact, total, out=total), axis=1) / 2
    found = np.array([np.minimum.reduce(exact, axis=1), np.maximum.reduce(exact, axis=1), least, most])
    return list(map(Span._make, found.T.astype(np.int64).tolist()))


def _certainly_within(terms: Terms, exact: Array, known: Span) -> bool:
    """Whether bounds show that a fold's least..most lies within that of `known`, for less than they themselves cost.

    First the largest |a| times the largest column sum of |b|. Then, for a product in float64, (D-L)/2 and (D+L)/2 with
    L from a product in float32, which takes half as long. Its terms are at least zero, so it comes out too small by a
    factor of (1 - u)^(K+2) at most, u = 2^-24, in any order of summation (Higham, Accuracy and Stability of Numerical
    Algorithms, 3.1), and L is at most what it gives times 1 + 2(K+2)u while (K+2)u <= 1/2.

    Measured on MNIST: in all but 2 % of the steps the first holds for the weights' updates, the second for the sums.
    Only without the compiled kernel, which finds the numbers themselves in less time.
    """
    if terms.b is None:
        return False
    a, b = np.abs(terms.a), np.abs(terms.b)
    bound = int(np.maximum.reduce(a, axis=None, initial=0)) * int(
        np.maximum.reduce(np.add.reduce(b, axis=0, dtype=np.float64))
    )
    if known.least <= -bound and bound <= known.most:
        return True
    unit = (len(b) + 2) * 2.0**-24
    if terms.dtype is np.float32 or unit > 0.5:
        return False
    rough = product(a, b, np.float32)
    total = rough.astype(np.float64) * (1 + 2.5 * unit)  # half a unit for rounding here
    least, most = np.minimum.reduce(exact - total, axis=None) / 2, np.maximum.reduce(exact + total, axis=None) / 2
    return bool(known.least <= least and most <= known.most)


def _stack(arrays: list[Array], dtype: Any, first: Any = np.asarray) -> Array:
    """Arrays of one shape as rows of one array in `dtype`; `first` is applied before, in the dtype that they have."""
    together = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
    return np.asarray(first(together).astype(dtype, copy=False))


def _own(data: Array) -> Span:
    lo, hi = _HOW.extremes(data)
    return Span(lo, hi, lo, hi)


def _covering(span: Span | None) -> Extent:
    extent = Extent()
    extent.cover(span)
    return extent


class Extent:
    """The span of many results. Those that came without numbers are kept until there are enough of them to reduce.

    behind: what covers results later than it saw them; called before the span is read, to cover the rest.
    """

    __slots__ = ("_folds", "_kept", "_size", "_span", "behind")

    def __init__(self) -> None:
        self.behind: set[Callable[[], object]] = set()
        self._kept: list[Array] = []
        self._folds: list[tuple[Terms, Array]] = []
        self._size = 0
        self._span: Span | None = None

    def add(self, span: Span | OwnRange | Terms, value: Values) -> None:
        """Cover the span of a result, which has at least one element; nothing of it may change afterwards."""
        if isinstance(span, Span):
            self.cover(span)
            return
        data = value.numbers()
        size = data.size
        if span is OWN_RANGE:
            self._kept.append(data)
        else:
            assert isinstance(span, Terms)
            size += span.size
            if _HOW.compiled is not None or size > LARGE:
                if _HOW.compiled is None and self._span is not None and _certainly_within(span, data, self._span):
                    self.cover(_own(data))
                else:
                    self.cover(span_of(span, data, self._span))
                return
            self._folds.append((span, data))
        self._size += size
        if self._size > _BATCH or len(self._kept) + len(self._folds) > _MANY:
            self._settle()

    @property
    def span(self) -> Span | None:
        """The smallest span that covers everything; None if that was nothing."""
        for settle in tuple(self.behind):
            settle()
        self._settle()
        return self._span

    def cover(self, span: Span | None) -> None:
        """Cover a span; None is none."""
        self._span = merge_spans(self._span, span)

    def _settle(self) -> None:
        kept, self._kept, folds, self._folds, self._size = self._kept, [], self._folds, [], 0
        if kept:
            self.cover(_own(np.concatenate([data.reshape(-1) for data in kept])))
        for span in spans_of(folds):
            self.cover(span)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extent) and self.span == other.span

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied with what it has covered by now, in numbers."""
        return _covering, (self.span,)

    def __repr__(self) -> str:
        return f"<Extent {self.span}>"
