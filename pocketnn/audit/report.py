"""The report of an audit, built from evidence: one exact run, and the same run on every target machine.

Where the evidence comes from (a training, saved weights, a trace, anybody's own program) is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pocketnn.arith import Flags
from pocketnn.audit.verdict import Proved, SiteVerdict, Target, judge, never_proved
from pocketnn.machine import Clock, Ledger, Witness
from pocketnn.scores import Scores

__all__ = ["Evidence", "Outcome", "Report", "Subject", "build_report"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What was audited. name: of the data or the program. description: one line for people. facts: the same for
    machines, as names with numbers or texts."""

    name: str
    description: str
    facts: Mapping[str, int | str] = field(default_factory=dict)


class Evidence(NamedTuple):
    """A run on one machine: what it reached (None where nothing is scored), and its ledger."""

    scores: Scores | None
    ledger: Ledger


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
    left: tuple[str, Clock] | None
    changed: int | None
    overflowed: bool

    @property
    def name(self) -> str:
        """The machine in a few words."""
        return str(self.target) if self.target else "exact"


@dataclass(frozen=True, slots=True)
class Report:
    """An audit. exact: the run on 48-bit registers, exact unless it overflowed even those. asked: the outcome that
    decides the verdict. outcomes: every target. sites: a verdict per site with a cell per outcome, same order."""

    subject: Subject
    exact: Outcome
    asked: Outcome
    outcomes: tuple[Outcome, ...]
    sites: tuple[SiteVerdict, ...]


def build_report(
    subject: Subject,
    exact: Evidence,
    runs: Sequence[tuple[Target, Evidence | None]],
    asked: Target,
    proved: Proved = never_proved,
) -> Report:
    """The report of one exact run and of runs on target machines; no evidence stands for a certified target.

    asked: the target of `runs` that decides the verdict. proved: what certificates say.
    """
    first = _outcome(None, exact, exact)
    outcomes = tuple(_outcome(target, evidence, exact) for target, evidence in runs)
    return Report(
        subject,
        first,
        next(outcome for outcome in outcomes if outcome.target == asked),
        outcomes,
        tuple(judge(exact.ledger, [(target, e and e.ledger) for target, e in runs], proved)),
    )


def _outcome(target: Target | None, evidence: Evidence | None, exact: Evidence) -> Outcome:
    scores, ledger = evidence or exact
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
