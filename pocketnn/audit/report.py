"""The audit of a training run: one exact run, then the same run on every target machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pocketnn.arith import MAX_BITS, Flags, Overflow, Vector, Word
from pocketnn.audit.verdict import SiteVerdict, Target, certified, judge
from pocketnn.data import Dataset
from pocketnn.machine import Ledger, Machine, Widths, Witness
from pocketnn.train import Progress, Recipe, Run, train

__all__ = ["Outcome", "Report", "audit_training"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one machine made of the run. target: None for the exact run. emulated: False if the exact run certified
    that this machine computes the same. first: the first overflow of the run."""

    target: Target | None
    emulated: bool
    run: Run
    flags: Flags
    first: Witness | None
    overflowed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """An audit. exact: the run on 48-bit registers, exact unless it overflowed even those. asked: the outcome that
    decides the verdict. outcomes: every target. sites: a verdict per site with a cell per outcome, same order."""

    dataset: Dataset
    recipe: Recipe
    exact: Outcome
    asked: Outcome
    outcomes: tuple[Outcome, ...]
    sites: tuple[SiteVerdict, ...]


def audit_training(
    dataset: Dataset,
    recipe: Recipe,
    asked: Target,
    words: Sequence[int] = (8, 16, 32),
    progress: Progress | None = None,
) -> Report:
    """Train and evaluate exactly, then on uniform machines of `words` bits and on `asked`, wrapping and saturating.

    A target on which the exact run proves that nothing can overflow is not run again: it computes the same values.
    """
    widths = [Widths(Word(bits)) for bits in words]
    if asked.widths not in widths:
        widths.append(asked.widths)
    targets = [Target(w, overflow) for w in widths for overflow in Overflow]

    def telling(name: str) -> Progress | None:
        return None if progress is None else lambda what, done, total: progress(f"{name}: {what}", done, total)

    machine = Machine(Vector(measure=True), Widths(Word(MAX_BITS)))
    exact_run = train(machine, dataset, recipe, telling("exact"))
    exact = _outcome(None, True, exact_run, machine.ledger)
    runs: list[tuple[Target, Ledger | None]] = []
    outcomes = []
    for target in targets:
        if certified(machine.ledger, target.widths):
            runs.append((target, None))
            outcomes.append(Outcome(target, False, exact_run, exact.flags, None, False))
            continue
        emulated = Machine(Vector(), target.widths, target.overflow)
        run = train(emulated, dataset, recipe, telling(f"{target.widths} bits, {target.overflow.value}"))
        runs.append((target, emulated.ledger))
        outcomes.append(_outcome(target, True, run, emulated.ledger))
    return Report(
        dataset,
        recipe,
        exact,
        next(outcome for outcome in outcomes if outcome.target == asked),
        tuple(outcomes),
        tuple(judge(machine.ledger, runs)),
    )


def _outcome(target: Target | None, emulated: bool, run: Run, ledger: Ledger) -> Outcome:
    return Outcome(target, emulated, run, ledger.flags, ledger.first, ledger.overflowed)
