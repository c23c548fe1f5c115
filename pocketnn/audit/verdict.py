"""Verdicts: what a run's ledgers say about each site on each target machine. Knows sites and flags, no networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pocketnn.arith import CLEAN, Flags, Overflow, Role, Span, Word
from pocketnn.ledger import labels
from pocketnn.machine import Ledger, Site, SiteKey, Widths, Witness

__all__ = ["Cell", "Proved", "SiteVerdict", "Target", "Verdict", "certified", "judge", "never_proved", "zero_free"]


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to audit for: widths and what its registers do on overflow; both may be text, as on the command line.

    Raises UsageError for what does not exist.
    """

    widths: Widths
    overflow: Overflow

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", Widths.of(self.widths))
        object.__setattr__(self, "overflow", Overflow(self.overflow))

    def __str__(self) -> str:
        return f"{self.widths} {self.overflow.value}"


class Verdict(StrEnum):
    """What is known of one site on one target.

    PROVED: a certificate says that nothing can overflow there, whatever the data. SAFE: nothing did in this run.
    TRANSIENT: values wrapped, but every final one is exact. CORRUPTED: some final values are wrong. ZERO_DIVISION:
    something was divided by zero, whose result is not defined. UNREACHED: the exact run needs more bits, but this
    machine had left the exact run before and did not get there.
    """

    PROVED = "proved"
    SAFE = "observed safe"
    TRANSIENT = "transient"
    CORRUPTED = "corrupted"
    ZERO_DIVISION = "divided by zero"
    UNREACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Cell:
    """What happened at one site on one target.

    guard_bits: register width less the bits that the exact run needs; negative where they are missing. A safe site
    with negative guard bits fits in the stated order of summation alone; another order could overflow. first: the
    first overflow there.
    """

    verdict: Verdict
    flags: Flags
    guard_bits: int | None
    first: Witness | None = None


@dataclass(frozen=True, slots=True)
class SiteVerdict:
    """One site: what it did in the exact run, and a cell per target.

    label: what to call it beside the report's other sites. narrowings: values that entered its register. span: the
    exact ranges before narrowing, None if it never ran on anything. bits: the narrowest register that holds them
    whatever the order of summation. result_bits: the narrowest that holds the final results; a register narrower than
    that stores wrong values.
    """

    site: str
    op: str
    role: Role
    label: str
    calls: int
    elements: int
    narrowings: int
    span: Span | None
    bits: int | None
    result_bits: int | None
    cells: tuple[Cell, ...]

    @property
    def key(self) -> SiteKey:
        """What it is, on any machine."""
        return SiteKey(self.site, self.op, self.role)

    def at_width(self, bits: int) -> Verdict:
        """What the exact run alone says of a register of `bits` bits at this site, all registers before it wide enough.

        SAFE: every value fits, in any order of summation. CORRUPTED: final results do not fit. TRANSIENT in between:
        results fit, some order of summation does not; that order wraps there and back (but saturation would not).
        """
        if self.bits is None or self.result_bits is None or bits >= self.bits:
            return Verdict.SAFE
        return Verdict.TRANSIENT if bits >= self.result_bits else Verdict.CORRUPTED


Proved = Callable[[Target, SiteKey], bool]
"""Whether a certificate says that the site cannot overflow on that target."""


def never_proved(target: Target, site: SiteKey) -> bool:
    """No certificates at hand."""
    return False


def zero_free(exact: Ledger) -> bool:
    """Whether nothing was divided by zero (whose result depends on the word) and nothing left 48 bits."""
    return not any(site.flags.events or site.flags.zero_divisions for site in exact)


def certified(exact: Ledger, widths: Widths) -> bool:
    """Whether the exact run shows that no narrowing on `widths` can change a value.

    True only if every range at every site (products and partial sums in any order included) fits that site's register
    and nothing was divided by zero. The run on `widths` is then the exact run.
    """
    return zero_free(exact) and all(_fits(site.span, widths[site.register.role]) for site in exact)


def judge(
    exact: Ledger, runs: Sequence[tuple[Target, Ledger | None]], proved: Proved = never_proved
) -> list[SiteVerdict]:
    """A verdict per site of the exact run, in program order; a ledger of None stands for a certified target."""
    called = labels(exact.sites)
    return [_judge_site(site, called[site.key], runs, proved) for site in exact]


def _fits(span: Span | None, word: Word) -> bool:
    return span is None or (word.lo <= span.least and span.most <= word.hi)


def _judge_site(site: Site, label: str, runs: Sequence[tuple[Target, Ledger | None]], proved: Proved) -> SiteVerdict:
    span = site.span
    bits = None if span is None else Word.holding(span.least, span.most)
    cells = []
    for target, ledger in runs:
        # a certified target computes what the exact run did; a site is missing where a run was stopped before it
        ran = site if ledger is None else ledger.sites.get(site.key)
        flags = CLEAN if ran is None else ran.flags
        word = target.widths[site.register.role]
        guard = None if bits is None else word.bits - bits
        verdict = _verdict(flags, span, word)
        if verdict in (Verdict.SAFE, Verdict.UNREACHED) and proved(target, site.key):
            verdict = Verdict.PROVED
        cells.append(Cell(verdict, flags, guard, ran.witness if ran else None))
    return SiteVerdict(
        site=site.name,
        op=site.op,
        role=site.register.role,
        label=label,
        calls=site.calls,
        elements=site.elements,
        narrowings=site.narrowings,
        span=span,
        bits=bits,
        result_bits=None if span is None else Word.holding(span.lo, span.hi),
        cells=tuple(cells),
    )


def _verdict(flags: Flags, span: Span | None, word: Word) -> Verdict:
    if flags.corrupted:
        return Verdict.CORRUPTED
    if flags.events:
        return Verdict.TRANSIENT
    if flags.zero_divisions:
        return Verdict.ZERO_DIVISION
    if _fits(span, word) or (span and word.lo <= span.lo and span.hi <= word.hi):
        return Verdict.SAFE
    return Verdict.UNREACHED
