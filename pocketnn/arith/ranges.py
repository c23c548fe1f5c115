"""Ranges: for every register the interval that its value lies in, and, where it helps, one interval per *case*.

Two things that an interval per register alone would forget are kept:

- *Cases.* A `Partition` tells cases of one register apart: the pieces of an if-else ladder on which an operand can
  lie, or which class a row is of. A value with `keys` holds an interval for every case, so that ops on values of the
  same partition combine case by case. Which case it is may differ from element to element (or, `by_row`, from row to
  row), and is forgotten (`hull`) wherever elements are folded that need not be of the same case.
- *Sameness.* An axis along which all intervals are equal is kept with length 1. This says nothing of the values: they
  move independently.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pocketnn.arith.backend import Integers, as_integers
from pocketnn.arith.shapes import Shape
from pocketnn.errors import UsageError

__all__ = ["IMPOSSIBLE", "MOST_CASES", "Origin", "Partition", "Ranges", "aligned", "terms_of"]

IMPOSSIBLE = (1 << 62, -(1 << 62))
"""Bounds of a case that cannot occur; no register (at most 48 bits) comes near, so `hull` passes them over."""

MOST_CASES = 1 << 14  # intervals of one value; beyond that its oldest partition is forgotten

_serial = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Cases of a register, told apart. count: how many. by_row: all elements of a row are of the same case.

    source, below: for the pieces of a ladder, the operand compared and the bounds it is compared with. split: the
    operand with an interval per piece. serial: partitions are kept in the order in which they were made.
    """

    count: int
    by_row: bool = False
    source: Ranges | None = None
    below: Ranges | None = None
    serial: int = field(default_factory=lambda: next(_serial))


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """How a value came about: `op` is "div" for of / by, "multiple" for that quotient times by, neither overflowing."""

    op: str
    of: Ranges
    by: Ranges


class Ranges:
    """Intervals of an array of registers.

    shape: of the registers. keys: the partitions, oldest first. lo, hi: bounds as int64 (exact: registers have at
    most 48 bits); one axis per key, then those of the shape, each of full length or of length 1. Of all cases of an
    element at least one must be possible. Raises UsageError if bounds and shape do not fit together.
    """

    __slots__ = ("hi", "keys", "ladders", "lo", "origin", "shape", "split")

    def __init__(self, shape: Shape, lo: Any, hi: Any, keys: tuple[Partition, ...] = ()) -> None:
        self.shape = shape
        self.keys = keys
        full = (*(key.count for key in keys), *shape)
        self.lo, self.hi = _axes(lo, full), _axes(hi, full)
        self.ladders: dict[int, Partition] = {}
        self.split: dict[int, Ranges] = {}
        self.origin: Origin | None = None

    @property
    def size(self) -> int:
        """Number of registers."""
        return math.prod(self.shape)

    @property
    def is_point(self) -> bool:
        """Whether every register's value is known."""
        return not self.keys and bool(np.array_equal(self.lo, self.hi))

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The values, where they are known. Raises UsageError for a range, which is no number."""
        if not self.is_point:
            raise UsageError(f"{self!r} is no number; ranges have `lo` and `hi` instead of `ints`")
        return np.broadcast_to(self.lo, self.shape).astype(dtype, copy=False)

    def numbers(self) -> Integers:
        """The same as `ints`."""
        return self.ints()

    def ends(self) -> tuple[int, int]:
        """The least and the greatest value that any of the registers can have."""
        return (int(self.lo.min()), int(self.hi.max())) if self.lo.size else (0, 0)

    def hull(self, keep: tuple[Partition, ...] = ()) -> Ranges:
        """The same registers with only the partitions in `keep`: the smallest interval over the other cases."""
        gone = tuple(i for i, key in enumerate(self.keys) if key not in keep)
        if not gone:
            return self
        kept = tuple(key for key in self.keys if key in keep)
        return Ranges(self.shape, self.lo.min(axis=gone), self.hi.max(axis=gone), kept)

    def pieces(self, below: Ranges) -> Partition:
        """The partition by the pieces of the ladder `below`; the same one whenever it is asked for again."""
        if id(below) not in self.ladders:
            key = self.ladders[id(below)] = Partition(below.size + 1, source=self, below=below)
            self.split[key.serial] = self._refined(key, below)
        return self.ladders[id(below)]

    def _refined(self, key: Partition, below: Ranges) -> Ranges:
        """The intervals cut at the bounds of the ladder: case i is `below[i-1] <= x < below[i]`."""
        bounds = below.ints().tolist()
        axis = len(self.keys)
        edges = [*itertools.accumulate(bounds, max, initial=IMPOSSIBLE[1])]
        los = [np.maximum(self.lo, edge) for edge in edges]
        his = [np.minimum(self.hi, bound - 1) for bound in bounds] + [self.hi]
        lo, hi = np.stack(los, axis), np.stack(his, axis)
        empty = lo > hi
        lo[empty], hi[empty] = IMPOSSIBLE
        return Ranges(self.shape, lo, hi, (*self.keys, key))

    def __repr__(self) -> str:
        lo, hi = self.ends()
        return f"<Ranges {self.shape} in {lo}..{hi}>"


def _axes(outside: Any, full: Shape) -> Integers:
    """The bounds with all their axes, each either whole or of length 1."""
    bound = as_integers(outside)
    shape = (1,) * (len(full) - bound.ndim) + bound.shape
    if len(shape) > len(full) or any(n not in (1, whole) for n, whole in zip(shape, full, strict=True)):
        raise UsageError(f"bounds of shape {bound.shape} do not belong to ranges of shape {full}")
    if bound.dtype == object:
        raise UsageError("bounds beyond 64 bits; no register holds more than 48")
    return bound.astype(np.int64, copy=False).reshape(shape)


def aligned(args: tuple[Ranges, ...]) -> tuple[tuple[Partition, ...], list[tuple[Integers, Integers]]]:
    """The partitions of all operands together, and the operands' bounds with an axis for each of them.

    An operand that a partition has cut at its bounds is taken piece by piece.
    """
    keys = {key.serial: key for x in args for key in x.keys}
    refined = []
    for x in args:
        cuts = sorted(x.split.keys() & keys.keys())
        refined.append(x.split[cuts[0]] if cuts else x)
    keys = {key.serial: key for x in refined for key in x.keys}
    while math.prod(key.count for key in keys.values()) > MOST_CASES:
        del keys[min(keys)]
    order = tuple(keys[serial] for serial in sorted(keys))
    rank = max(len(x.shape) for x in args)
    return order, [_spread(x.hull(order), order, rank) for x in refined]


def _spread(x: Ranges, order: tuple[Partition, ...], rank: int) -> tuple[Integers, Integers]:
    """Bounds with an axis of length 1 for each partition that is not x's own, and for each leading axis it lacks."""
    lengths = iter(x.lo.shape[: len(x.keys)])
    cases = tuple(next(lengths) if key in x.keys else 1 for key in order)
    shape = (*cases, *(1,) * (rank - len(x.shape)), *x.lo.shape[len(x.keys) :])
    return x.lo.reshape(shape), x.hi.reshape(shape)


def terms_of(bounds: list[tuple[Integers, Integers]]) -> tuple[Shape, Iterator[tuple[tuple[int, int], ...]]]:
    """The common shape of several bounds, and for each of its elements the operands' (lo, hi) as Python integers."""
    arrays = np.broadcast_arrays(*(bound for pair in bounds for bound in pair))
    columns = [array.ravel().tolist() for array in arrays]
    pairs = [zip(columns[i], columns[i + 1], strict=True) for i in range(0, len(columns), 2)]
    return arrays[0].shape, zip(*pairs, strict=True)
