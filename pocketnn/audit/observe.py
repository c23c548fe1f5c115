"""Observer: watches the results of a run go by, and keeps what a picture of it needs, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pocketnn.arith import MAX_BITS, Around, Backend, Op, Outcome, Register, Span, Values, measured
from pocketnn.arith.carrier import Carrier
from pocketnn.machine import Clock, SiteKey

__all__ = ["Course", "Observations", "Observer", "bit_counts"]

_BUCKETS = 128  # a course has half of that to that many points

Counts = np.ndarray[Any, np.dtype[np.int64]]


class Course(NamedTuple):
    """The range of one site's exact results in one bucket of steps: ticks tick..tick+width-1 of the clock."""

    tick: int
    lo: int
    hi: int


@dataclass(slots=True)
class Observations:
    """What an Observer kept.

    counts: per site, how many results need a register of b bits, at index b (0 to 48); so a register of w bits would
    have stored sum(counts[w+1:]) wrong results. buckets: per site, (lo, hi) by bucket number. width: ticks a bucket.
    marks: the tick at which each phase and epoch began.
    """

    counts: dict[SiteKey, Counts] = field(default_factory=dict)
    buckets: dict[SiteKey, dict[int, tuple[int, int]]] = field(default_factory=dict)
    width: int = 1
    marks: list[tuple[int, str, int]] = field(default_factory=list)

    def course(self, site: SiteKey) -> list[Course]:
        """The range of a site's exact results over the run, a bucket of steps after the other."""
        return [Course(bucket * self.width, lo, hi) for bucket, (lo, hi) in sorted(self.buckets.get(site, {}).items())]

    def wrong_at(self, site: SiteKey, bits: int) -> int:
        """How many of a site's results do not fit `bits` bits: what such a register stores wrong on exact operands."""
        counts = self.counts.get(site)
        return 0 if counts is None else int(counts[bits + 1 :].sum())


def bit_counts(value: Values) -> Counts:
    """How many elements need a register of b bits, at index b.

    x needs as many bits as x + 1/2 has before its binary point, and the sign. Exact in float32 while |x| < 2^23 and in
    float64 while |x| < 2^52, where x + 1/2 is representable.
    """
    data = value.data if isinstance(value, Carrier) else value.ints().astype(np.float64)
    if data.dtype == np.float32 and not (isinstance(value, Carrier) and value.magnitude < 1 << 23):
        data = data.astype(np.float64)
    exponents = np.frexp(data + data.dtype.type(0.5))[1]
    return np.bincount(exponents.reshape(-1) + 1, minlength=MAX_BITS + 1)


class Observer(Around):
    """Passes every op on to `inner`, which must measure spans, and observes its results.

    `clock` is the clock of the machine that it serves: `machine.over(Observer(machine.backend, machine.clock))`.
    """

    def __init__(self, inner: Backend, clock: Clock) -> None:
        super().__init__(inner)
        self.clock = clock
        self.seen = Observations()

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` on the inner backend; see Backend.apply."""
        outcome = self.inner.apply(op, args, to, site)
        span = measured(outcome)
        if span is not None:
            key = SiteKey(site, op.name, to.role)
            self._count(key, outcome.value)
            self._follow(key, span)
            outcome = outcome._replace(span=span)  # so that nobody computes it again
        return outcome

    def _count(self, site: SiteKey, value: Values) -> None:
        counts = self.seen.counts.get(site)
        if counts is None:
            counts = self.seen.counts[site] = np.zeros(MAX_BITS + 1, np.int64)
        counts += bit_counts(value)

    def _follow(self, site: SiteKey, span: Span) -> None:
        seen, clock = self.seen, self.clock
        if not seen.marks or seen.marks[-1][1:] != (clock.phase, clock.epoch):
            seen.marks.append((clock.ticks, clock.phase, clock.epoch))
        if clock.ticks >= seen.width * _BUCKETS:
            self._coarsen()
        buckets = seen.buckets.setdefault(site, {})
        bucket = clock.ticks // seen.width
        lo, hi = buckets.get(bucket, (span.lo, span.hi))
        buckets[bucket] = (min(lo, span.lo), max(hi, span.hi))

    def _coarsen(self) -> None:
        """Twice as many ticks a bucket: two neighbours become one."""
        seen = self.seen
        while self.clock.ticks >= seen.width * _BUCKETS:
            seen.width *= 2
            for site, buckets in seen.buckets.items():
                merged: dict[int, tuple[int, int]] = {}
                for bucket, (lo, hi) in buckets.items():
                    low, high = merged.get(bucket // 2, (lo, hi))
                    merged[bucket // 2] = (min(lo, low), max(hi, high))
                seen.buckets[site] = merged
