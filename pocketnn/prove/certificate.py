"""Certificate: what was proved of a network on a machine, or which site stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pocketnn.arith import MAX_BITS, Interval, Ranges, Role, Span, Word
from pocketnn.audit.verdict import Target
from pocketnn.machine import Ledger, Machine, SiteKey, Widths
from pocketnn.prove.listing import Listing, Step

__all__ = [
    "Attaining",
    "Certificate",
    "Counterexample",
    "Examined",
    "Invariant",
    "Limit",
    "Program",
    "SiteBound",
    "examine",
]

Program = Callable[[Machine], Mapping[str, tuple[Ranges, Ranges]]]
"""Runs the network once on a machine of ranges; gives, by name, what must hold again after it: before and after."""


@dataclass(frozen=True, slots=True)
class SiteBound:
    """One site: the range that its exact results cannot leave, and whether its register holds them.

    span: bounds of the exact results, and of every product and partial sum in any order. bits: the narrowest register
    for all of these. word: bits of the site's register. fits: nothing can overflow in the stated order, if nothing
    before it did. attained: emulation has reached all four bounds, so they are exact; else they are upper bounds.
    """

    site: str
    op: str
    role: Role
    span: Span
    word: int
    fits: bool
    zero_divisor: bool
    attained: bool = False

    @property
    def key(self) -> SiteKey:
        """What it is, on any machine."""
        return SiteKey(self.site, self.op, self.role)

    @property
    def bits(self) -> int:
        """Bits of the narrowest register that holds everything, whatever the order of summation."""
        return Word.holding(self.span.least, self.span.most)


@dataclass(frozen=True, slots=True)
class Invariant:
    """Values that training keeps: steps that hold them before and after, and whether `after` lies within `before`."""

    name: str
    before: int
    after: int
    range_before: tuple[int, int]
    range_after: tuple[int, int]

    @property
    def holds(self) -> bool:
        """Whether the range after the step lies within the range before it."""
        return self.range_before[0] <= self.range_after[0] and self.range_after[1] <= self.range_before[1]


@dataclass(frozen=True, slots=True)
class Attaining:
    """An input that drives an element of a site to a bound of the certificate, as emulation confirmed."""

    site: str
    element: tuple[int, ...]
    bound: int
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which the machine was seen to overflow, and the first overflow in words."""

    inputs: tuple[int, ...]
    witness: str


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest value of one quantity for which the certificate holds, all else as given; None: there is none.

    more: no larger value was tried, so a larger one may do as well.
    """

    what: str
    given: int
    largest: int | None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A proof that nothing can overflow, or the reason why there is none.

    kind: "inference" or "training". claim: what the proof is about, in names and numbers. sites: in program order.
    steps: the ops with the ranges of their results, by which `check` verifies it. limits: what else would be provable.
    notes: what the reader must know besides.
    """

    kind: str
    target: Target
    claim: Mapping[str, Any]
    sites: tuple[SiteBound, ...]
    invariants: tuple[Invariant, ...] = ()
    attaining: tuple[Attaining, ...] = ()
    counterexample: Counterexample | None = None
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = field(default=(), repr=False)

    @property
    def proved(self) -> bool:
        """Whether every site fits, nothing can be divided by zero, and all invariants hold again."""
        return not self.failing and all(invariant.holds for invariant in self.invariants)

    @property
    def failing(self) -> tuple[SiteBound, ...]:
        """The sites at which something can overflow or be divided by zero, in program order."""
        return tuple(site for site in self.sites if not site.fits or site.zero_divisor)


@dataclass(frozen=True, slots=True)
class Examined:
    """What running a program on ranges showed. listing: its ops on the target; exact: on registers with room.
    notes: what the reader must know of the bounds."""

    sites: tuple[SiteBound, ...]
    invariants: tuple[Invariant, ...]
    listing: Listing
    exact: Listing
    notes: tuple[str, ...]


def examine(program: Program, target: Target) -> Examined:
    """Run `program` on ranges for `target`: a bound per site, the invariants, and the ops.

    Where something can overflow, ranges after it would be those of a machine gone astray. Bounds are then taken from
    registers of 48 bits instead, and a site fails only if the exact results do not fit it.
    """
    listing, machine, kept = _run(program, target.widths, target)
    exact, ledger = listing, machine.ledger
    if machine.ledger.overflowed:
        exact, wide, _ = _run(program, Widths(Word(MAX_BITS)), target)
        ledger = wide.ledger
    invariants = tuple(
        Invariant(name, listing.position(before), listing.position(after), before.ends(), after.ends())
        for name, (before, after) in kept.items()
    )
    astray = next((site.name for site in ledger if site.overflowed), None) if ledger is not machine.ledger else None
    notes = (
        () if astray is None else (f"bounds after {astray} are those of a {MAX_BITS}-bit machine that overflows there",)
    )
    return Examined(tuple(_bounds(machine.ledger, ledger)), invariants, listing, exact, notes)


def _run(program: Program, widths: Widths, target: Target) -> tuple[Listing, Machine, Any]:
    listing = Listing(Interval())
    machine = Machine(listing, widths, target.overflow)
    return listing, machine, program(machine)


def _bounds(ledger: Ledger, exact: Ledger) -> Iterator[SiteBound]:
    """A bound per site. Up to the first overflow the target's own run says whether the stated order fits; after it the
    target's ranges are those of a machine gone astray, and only a range that fits in any order is known to."""
    astray = False
    for site in exact:
        here, span = ledger.sites[site.key], site.span
        if span is None:
            continue
        word = here.register.word
        fits = (word.lo <= span.least and span.most <= word.hi) or (here.flags.events == 0 and not astray)
        astray = astray or here.overflowed
        zero_divisor = site.flags.zero_divisions > 0
        yield SiteBound(here.name, here.op, here.register.role, span, word.bits, fits, zero_divisor)
