"""Carrier: register values in a NumPy float array, with bounds that are known to hold.

Every register value (at most 48 bits) is exact in float64, and exact in float32 while its magnitude stays
below 2^24. Bounds are Python integers, so computing with them can neither overflow nor round.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pocketnn.arith.backend import Integers, Outcome
from pocketnn.arith.flags import CLEAN, OWN_RANGE, Flags, Span
from pocketnn.arith.how import How
from pocketnn.arith.word import Overflow, Register, Word, fit

__all__ = [
    "EXACT32",
    "EXACT64",
    "EXACT_INT64",
    "LARGE",
    "Array",
    "Carrier",
    "exact_dtype",
    "fit_array",
    "narrowed",
    "recast",
]

Array = np.ndarray[Any, np.dtype[Any]]

EXACT32 = 1 << 24  # integers of smaller magnitude are exact in float32 (IEEE 754-2019, 24-bit significand)
EXACT64 = 1 << 53  # and in float64 (53-bit significand)
EXACT_INT64 = 1 << 62  # int64 with one bit to spare, for the sum of two such values
_new = tuple.__new__  # makes a named tuple in half the time that calling its class takes, 70 times a step
LARGE = 1 << 13  # elements; smaller results are looked at many at a time, see Extent


class Carrier:
    """Register values: `data` (float32 or float64, whole numbers), all within lo..hi.

    tight: lo and hi are the true minimum and maximum. place, table: what `select` found out about it, as the
    operand and as the bounds.
    """

    __slots__ = ("data", "hi", "lo", "place", "table", "tight")

    def __init__(self, data: Array, lo: int, hi: int, tight: bool = False) -> None:
        self.data = data
        self.lo = lo
        self.hi = hi
        self.tight = tight
        self.place: tuple[Carrier, Array] | None = None
        self.table: tuple[int, Array | None] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""
        shape: tuple[int, ...] = self.data.shape
        return shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def magnitude(self) -> int:
        """A bound on the largest absolute value."""
        lo, hi = self.lo, self.hi
        return hi if hi > -lo else -lo  # max() would take twice as long, and this is asked 100 times a step

    def tighten(self, how: How) -> Carrier:
        """Replace the bounds by the true minimum and maximum; returns self."""
        if not self.tight:
            self.lo, self.hi = how.extremes(self.data)
            self.tight = True
        return self

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The elements as integers; see Values."""
        return self.data.astype(dtype)

    def numbers(self) -> Integers:
        """The elements as they are kept; see Values."""
        return self.data

    def __repr__(self) -> str:
        return f"<Carrier {self.shape} {self.data.dtype} in {self.lo}..{self.hi}>"


def exact_dtype(bound: int) -> Any:
    """The fastest dtype in which integers of magnitude up to `bound`, and their sums, are exact."""
    if bound < EXACT32:
        return np.float32
    if bound < EXACT64:
        return np.float64
    return np.int64 if bound < EXACT_INT64 else object


def recast(data: Array, dtype: Any) -> Array:
    """Whole numbers in another dtype of `exact_dtype`; object means Python ints, never Python floats."""
    if dtype is object:
        data = data.astype(np.int64)
    return data.astype(dtype, copy=False)


def fit_array(exact: Array, word: Word, overflow: Overflow, out: Array | None = None) -> Array:
    """Narrow every element as `fit` does; keeps the dtype, and writes into `out` where one is given.

    Exact for whole numbers in float32/float64 within +-2^53, int32, int64, and Python ints of any size.
    """
    if exact.dtype == object:  # one by one: NumPy turns single Python ints back into its own
        narrow = [fit(item, word, overflow) for item in exact.flat]
        return np.array(narrow, dtype=object).reshape(exact.shape)
    if overflow is Overflow.SATURATE:
        return np.asarray(np.minimum(np.maximum(exact, word.lo, out=out), word.hi, out=out), dtype=exact.dtype)
    whole = exact.astype(np.int64) if exact.dtype.kind == "f" else exact
    unused = whole.itemsize * 8 - word.bits  # out at the top and, with the sign, back again
    return np.asarray(np.right_shift(np.left_shift(whole, unused, out=out), unused, out=out), dtype=exact.dtype)


def narrowed(exact: Array, lo: int, hi: int, to: Register, how: How, tight: bool = False) -> Outcome:
    """Narrow one exact result per element into `to`.

    exact: whole numbers in any dtype of `exact_dtype`, all within lo..hi (the extremes themselves if
    `tight`). The data are looked at only when these bounds do not show that everything fits.
    """
    word = to.word
    if type(exact) is not np.ndarray:  # ufuncs turn arrays without axes into scalars, which compute by other rules
        exact = np.asarray(exact)
    if word.lo <= lo and hi <= word.hi:  # nearly always, so nothing is asked that is not needed
        if not how.measure:
            return _new(Outcome, (Carrier(exact, lo, hi, tight), CLEAN, None))
        if not tight and 0 < exact.size <= LARGE:
            return _new(Outcome, (Carrier(exact, lo, hi), CLEAN, OWN_RANGE))
    # A large result is looked at for its span anyway: done here, the ops after it know its bounds as well.
    if not tight and (lo < word.lo or hi > word.hi or (how.measure and exact.size > LARGE)):
        lo, hi = how.extremes(exact)
        tight = True
    span = None if not how.measure or exact.size == 0 else Span(lo, hi, lo, hi) if tight else OWN_RANGE
    if word.lo <= lo and hi <= word.hi:
        data = exact if exact.dtype.kind == "f" else exact.astype(np.float64)
        return _new(Outcome, (Carrier(data, lo, hi, tight), CLEAN, span))
    stored = fit_array(exact, word, to.overflow)
    changed = stored != exact
    count = int(np.count_nonzero(changed))
    flags = Flags(events=count, elements=count, corrupted=count, first=int(changed.argmax()))
    return Outcome(Carrier(stored.astype(np.float64), word.lo, word.hi), flags, span)
