"""The report of an audit, built from evidence: one exact run, and the same run on every target machine.

Where the evidence comes from (a training, saved weights, a trace, anybody's own program) is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pocketnn.arith import Flags, Role
from pocketnn.audit.device import Device
from pocketnn.audit.mcu import Mcu
from pocketnn.audit.memory import Stored
from pocketnn.audit.observe import Observations
from pocketnn.audit.propose import narrowest
from pocketnn.audit.verdict import Proved, SiteVerdict, Target, judge, never_proved
from pocketnn.errors import UsageError
from pocketnn.machine import Clock, Ledger, SiteKey, Widths, Witness
from pocketnn.scores import Scores

__all__ = [
    "Advice",
    "Evidence",
    "Outcome",
    "Proof",
    "Proposal",
    "Reachable",
    "Recording",
    "Report",
    "Subject",
    "build_report",
    "outcome_of",
]


@dataclass(frozen=True, slots=True)
class Subject:
    """What was audited. name: of the data or the program. description: one line for people. facts: the same for
    machines, as names with numbers or texts. memory: the arrays that firmware keeps, per use ("inference", "training"),
    where they are known."""

    name: str
    description: str
    facts: Mapping[str, int | str] = field(default_factory=dict)
    memory: Mapping[str, tuple[Stored, ...]] = field(default_factory=dict)


class Recording(NamedTuple):
    """Of a recorded run: the machine that it ran on, and which part of its run it is, in words; None for the whole."""

    target: Target
    part: str | None


class Evidence(NamedTuple):
    """A run on one machine: what it reached (None where nothing is scored), its ledger, what an Observer saw of it."""

    scores: Scores | None
    ledger: Ledger
    seen: Observations | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one machine made of the run. target: None for the exact run. emulated: False if the exact run certified
    that this machine computes the same. first: the first overflow of the run. left: site and time of the first wrong
    value. changed: test predictions that differ from the exact run's, None where nothing is predicted."""

    target: Target | None
    emulated: bool
    scores: Scores | None
    flags: Flags
    first: Witness | None
    left: tuple[SiteKey, Clock] | None
    changed: int | None
    overflowed: bool

    @property
    def wrong(self) -> bool:
        """Whether a final value is wrong, or undefined after a division by zero."""
        return self.flags.corrupted > 0 or self.flags.zero_divisions > 0

    @property
    def name(self) -> str:
        """The machine in a few words."""
        return str(self.target) if self.target else "exact"


@dataclass(frozen=True, slots=True)
class Report:
    """An audit. exact: the run on 48-bit registers, exact unless it overflowed even those. judged: the outcomes that
    decide the verdict, at least one. outcomes: every target. sites: a verdict per site with a cell per outcome, same
    order. recording: what the audited recording is of, if it is one. seen: what was observed of the exact run, if it
    was. proposal: the narrowest registers, unless none would do. mcu: the microcontroller asked for. advice: changes
    that make the site fit at which a judged machine broke first. proofs: what certificates say of the judged machines,
    where they were asked for or one was stored. devices: what the exported network took on targets."""

    subject: Subject
    exact: Outcome
    judged: tuple[Outcome, ...]
    outcomes: tuple[Outcome, ...]
    sites: tuple[SiteVerdict, ...]
    recording: Recording | None = None
    seen: Observations | None = None
    proposal: Proposal | None = None
    mcu: Mcu | None = None
    advice: tuple[Advice, ...] = ()
    proofs: tuple[Proof, ...] = ()
    devices: tuple[Device, ...] = ()

    @property
    def focus(self) -> Outcome:
        """The judged machine to show first: the last that overflowed, or if none did the last."""
        return next((outcome for outcome in reversed(self.judged) if outcome.overflowed), self.judged[-1])

    @property
    def part(self) -> str | None:
        """Which part of a run was audited, in words; None for the whole."""
        return self.recording.part if self.recording else None

    @property
    def ran(self) -> bool:
        """Whether anything was judged: a value that entered a register."""
        return any(site.narrowings for site in self.sites)


@dataclass(frozen=True, slots=True)
class Reachable:
    """A site in a proof: the range that its exact results cannot leave on any input, whether emulation attained its
    bounds, the bits that takes in any order of summation, those of its register, and whether nothing overflows."""

    site: str
    op: str
    range: tuple[int, int]
    attained: bool
    bits: int
    word: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate for readers. claim: what it is about. verdict: what it says, in a sentence. notes: what else the
    reader must know, and what would be provable. images: inputs that attain a bound: what they do, and their pixels.
    refused: it came with what is audited, and is false, or is about something else."""

    claim: str
    proved: bool
    verdict: str
    sites: tuple[Reachable, ...] = ()
    notes: tuple[str, ...] = ()
    images: tuple[tuple[str, tuple[int, ...]], ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """A single change that makes `site` fit on the machine `on`, and what a run with it reached; `outcome` may overflow
    elsewhere."""

    on: Target
    site: SiteKey
    change: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Proposal:
    """The narrowest registers in which this run cannot overflow. bits: what each role needs, in any order of summation.
    outcome: the run on the C types that hold that, its target, which confirms it."""

    bits: Mapping[Role, int]
    outcome: Outcome

    @property
    def widths(self) -> Widths:
        """The C types, as a word-length assignment."""
        return self.outcome.target.widths if self.outcome.target else Widths()


def build_report(
    subject: Subject,
    exact: Evidence,
    runs: Sequence[tuple[Target, Evidence | None]],
    judged: Sequence[Target],
    proved: Proved = never_proved,
    confirming: tuple[Target, Evidence] | None = None,
    recording: Recording | None = None,
) -> Report:
    """The report of one exact run and of runs on target machines; no evidence stands for a certified target.

    judged: the targets of `runs` that decide the verdict. proved: what certificates say. confirming: a run on the
    registers that `proposed` found. recording: what the audited recording is of, if it is one. Raises UsageError if
    nothing is judged.
    """
    if not judged:
        raise UsageError("no machine is judged: name one")
    first = outcome_of(None, exact, exact)
    outcomes = tuple(outcome_of(target, evidence, exact) for target, evidence in runs)
    return Report(
        subject,
        first,
        tuple(next(outcome for outcome in outcomes if outcome.target == target) for target in judged),
        outcomes,
        tuple(judge(exact.ledger, [(target, e and e.ledger) for target, e in runs], proved)),
        recording,
        exact.seen,
        Proposal(narrowest(exact.ledger), outcome_of(*confirming, exact)) if confirming else None,
    )


def outcome_of(target: Target | None, evidence: Evidence | None, exact: Evidence) -> Outcome:
    """What a run reached, held against the exact run; no evidence stands for a certified target."""
    scores, ledger, _ = evidence or exact
    return Outcome(
        target,
        evidence is not None,
        scores,
        ledger.flags,
        ledger.first,
        ledger.left,
        ledger.predictions.changed(exact.ledger.predictions),
        ledger.overflowed,
    )
