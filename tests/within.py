"""Ranges and numbers side by side: whatever a number does, the range that stands for it must have foreseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketnn.arith import CLEAN, Backend, Interval, Outcome, Ranges, Reference, Register, Vector, measured

__all__ = ["Held", "Within"]


@dataclass(frozen=True)
class Held:
    """A value and the ranges it lies in. As something to load: integers from outside, and what is claimed of them."""

    ranges: Any
    value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def size(self) -> int:
        return int(self.value.size)

    def ends(self) -> tuple[int, int]:
        return self.ranges.ends()

    def ints(self) -> np.ndarray:
        return np.asarray(self.value.ints())

    def numbers(self) -> np.ndarray:
        return np.asarray(self.value.numbers())


class Within(Backend):
    """Runs every op on ranges and on numbers; fails at the first number, span or overflow that was not foreseen."""

    def __init__(self, fast: bool = False, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.interval = Interval()
        self.emulator = Vector(measure=True) if fast else Reference()

    def apply(self, op: Any, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        if isinstance(args[0], Ranges):  # to be loaded: any numbers of these ranges
            args = (Held(args[0], self._any_of(args[0])),)
        claimed = self.interval.apply(op, tuple(x.ranges if isinstance(x, Held) else x for x in args), to, site)
        real = self.emulator.apply(op, tuple(x.value if isinstance(x, Held) else x for x in args), to, site)
        ranges: Ranges = claimed.value
        where = f"{site}: {op.name} into {to}"
        assert ranges.shape == real.value.shape, where
        lo, hi = (np.broadcast_to(bound, ranges.shape) for bound in (ranges.hull().lo, ranges.hull().hi))
        values = real.value.ints()
        assert np.all(lo <= values), f"{where}: {values} below {lo}"
        assert np.all(values <= hi), f"{where}: {values} above {hi}"
        assert claimed.flags.events > 0 or real.flags.events == 0, f"{where}: an overflow was not foreseen"
        assert claimed.flags.zero_divisions > 0 or real.flags.zero_divisions == 0, f"{where}: division by zero"
        span = measured(real)
        if span is not None:
            assert claimed.span.lo <= span.lo, f"{where}: {claimed.span} {span}"
            assert span.hi <= claimed.span.hi, f"{where}: {claimed.span} {span}"
            assert claimed.span.least <= span.least, f"{where}: {claimed.span} {span}"
            assert span.most <= claimed.span.most, f"{where}: {claimed.span} {span}"
        return Outcome(Held(ranges, real.value), CLEAN, span)  # no flags: a machine would want to show the operands

    def _any_of(self, ranges: Ranges) -> np.ndarray:
        """Numbers of the ranges, often extreme ones; of cases that rows can be of, one for each row."""
        lo, hi = ranges.lo, ranges.hi
        if ranges.keys:
            (key,) = ranges.keys
            chosen = self.rng.integers(0, key.count, ranges.shape[0])
            rows = np.arange(ranges.shape[0])
            lo, hi = (np.broadcast_to(b, (key.count, *ranges.shape))[chosen, rows] for b in (lo, hi))
        lo, hi = (np.broadcast_to(bound, ranges.shape) for bound in (lo, hi))
        inside = self.rng.integers(lo, hi + 1)
        how = self.rng.integers(0, 3, ranges.shape) if self.rng.integers(2) else self.rng.integers(0, 3)
        return np.where(how == 0, lo, np.where(how == 1, hi, inside))
