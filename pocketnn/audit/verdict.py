"""Verdicts: what a run's ledgers say about each site on each target machine. Knows sites and flags, no networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pocketnn.arith import CLEAN, Flags, Overflow, Role, Span, Word
from pocketnn.machine import Ledger, Site, Widths

__all__ = ["Cell", "SiteVerdict", "Target", "certified", "judge"]


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to audit for: widths and what its registers do on overflow."""

    widths: Widths
    overflow: Overflow

    def __str__(self) -> str:
        return f"{self.widths} {self.overflow.value}"


@dataclass(frozen=True, slots=True)
class Cell:
    """What happened at one site on one target.

    kind: "corrupted" (some final values are wrong), "transient" (wrapped, but every final value is exact),
    "zero-division"; where nothing of that happened: "fits" (and so it does whatever the order of summation),
    "fits-in-order" (another order of summation could overflow), or "short" (the exact run needs more bits; this
    machine's run had left the exact one before and did not get there).
    guard_bits: register width less the bits that the exact run needs; negative where they are missing.
    """

    kind: str
    flags: Flags
    guard_bits: int | None


@dataclass(frozen=True, slots=True)
class SiteVerdict:
    """One site: what it did in the exact run, and a cell per target.

    narrowings: values that entered its register. span: the exact ranges before narrowing, None if it never ran on
    anything. bits: the narrowest register that holds them whatever the order of summation.
    """

    site: str
    op: str
    role: Role
    calls: int
    elements: int
    narrowings: int
    span: Span | None
    bits: int | None
    cells: tuple[Cell, ...]


def certified(exact: Ledger, widths: Widths) -> bool:
    """Whether the exact run shows that no narrowing on `widths` can change a value.

    True only if every range at every site (products and partial sums in any order included) fits that site's register
    and nothing was divided by zero (whose result depends on the word). The run on `widths` is then the exact run.
    """
    return not any(
        site.flags.events or site.flags.zero_divisions or not _fits(site.span, widths[site.register.role])
        for site in exact
    )


def judge(exact: Ledger, runs: Sequence[tuple[Target, Ledger | None]]) -> list[SiteVerdict]:
    """A verdict per site of the exact run, in program order; a ledger of None stands for a certified target."""
    return [_judge_site(site, runs) for site in exact]


def _fits(span: Span | None, word: Word) -> bool:
    return span is None or (word.lo <= span.least and span.most <= word.hi)


def _judge_site(site: Site, runs: Sequence[tuple[Target, Ledger | None]]) -> SiteVerdict:
    bits = None if site.span is None else Word.holding(site.span.least, site.span.most)
    cells = []
    for target, ledger in runs:
        flags = CLEAN if ledger is None else ledger.sites[site.name].flags
        word = target.widths[site.register.role]
        guard = None if bits is None else word.bits - bits
        cells.append(Cell(_kind(flags, site.span, word), flags, guard))
    return SiteVerdict(
        site.name,
        site.op,
        site.register.role,
        site.calls,
        site.elements,
        site.narrowings,
        site.span,
        bits,
        tuple(cells),
    )


def _kind(flags: Flags, span: Span | None, word: Word) -> str:
    if flags.corrupted:
        return "corrupted"
    if flags.events:
        return "transient"
    if flags.zero_divisions:
        return "zero-division"
    if _fits(span, word):
        return "fits"
    return "fits-in-order" if span and word.lo <= span.lo and span.hi <= word.hi else "short"
