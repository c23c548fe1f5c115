"""What a machine writes down of a run: sites with sticky flags and ranges, first witnesses, and where the run is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

from pocketnn.arith import CLEAN, Extent, Flags, Narrowing, Register, Span, add_flags
from pocketnn.scores import Predictions

__all__ = ["Clock", "Ledger", "Site", "Witness"]


@dataclass(slots=True)
class Clock:
    """Where a run is: phase ("build", "train", "test", ...), epoch and step, both from 1; 0 before the first.

    ticks: how often the clock was set.
    """

    phase: str = "build"
    epoch: int = 0
    step: int = 0
    ticks: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Witness:
    """One narrowing that changed a value, with everything needed to check it by hand.

    terms: the operand values that met at the element, for k = 0, 1, 2, ... (see Op.terms).
    """

    site: str
    op: str
    phase: str
    epoch: int
    step: int
    element: tuple[int, ...]
    narrowing: Narrowing
    register: Register
    terms: tuple[tuple[int, ...], ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        n, r = self.narrowing, self.register
        sign = {"product": " * ", "sum": " * " if len(n.operands) == 2 else ""}.get(n.stage, ", ")
        shown = sign.join(map(str, n.operands[:4])) + (", ..." if len(n.operands) > 4 else "")
        sum_of = f"{n.before} + ({shown}) = " if n.stage == "sum" else f"{self.op}({shown}) = "
        when = self.phase if self.epoch == 0 else f"{self.phase}, epoch {self.epoch}, step {self.step}"
        place = f"{self.site}{list(self.element) or ''} k={n.k}"
        article = "an" if r.word.bits in (8, 11, 18) else "a"
        return (
            f"{place} [{when}]: {sum_of}{n.exact}, stored {n.stored} "
            f"in {article} {r.word.bits}-bit {r.role.value} register ({r.overflow.value})"
        )


@dataclass(slots=True)
class Site:
    """Everything that one written op did in a run; counters only ever grow (sticky flags)."""

    name: str
    op: str
    register: Register
    calls: int = 0
    elements: int = 0
    narrowings: int = 0
    flags: Flags = CLEAN
    witness: Witness | None = None
    extent: Extent = field(default_factory=Extent)

    @property
    def span(self) -> Span | None:
        """The exact range of every result before narrowing; None if it was not measured, or nothing ran."""
        return self.extent.span

    @property
    def overflowed(self) -> bool:
        """Whether any narrowing changed a value, or anything was divided by zero."""
        return self.flags.events > 0 or self.flags.zero_divisions > 0


class Ledger:
    """The sites of a run in the order in which they first ran, and the first overflow of all.

    left: site and time of the first wrong value or division by zero; all that ran before it is as on exact registers.
    predictions: what was predicted where predictions were scored.
    """

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.first: Witness | None = None
        self.left: tuple[str, Clock] | None = None
        self.predictions = Predictions()

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites.values())

    @property
    def flags(self) -> Flags:
        """Totals over all sites."""
        return reduce(add_flags, (site.flags for site in self), CLEAN)

    @property
    def overflowed(self) -> bool:
        """Whether any site overflowed or divided by zero."""
        return any(site.overflowed for site in self)
