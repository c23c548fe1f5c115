"""What can be audited: something that runs on any machine. One exact run, then the target machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pocketnn.arith import MAX_BITS, Overflow, Vector, Word
from pocketnn.audit.report import Evidence, Report, Subject, build_report
from pocketnn.audit.verdict import Proved, Target, certified, never_proved
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.scores import Scores
from pocketnn.train import Progress, Recipe, train

__all__ = ["Source", "Training", "audit_source", "audit_training", "run_on", "targets_of"]


class Source(Protocol):
    """A program that can be run again and again, on one machine after the other."""

    @property
    def subject(self) -> Subject:
        """What it is."""

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Run it on `machine`, whose ledger is the result, and say what it reached."""


@dataclass(frozen=True, slots=True)
class Training:
    """Train on a dataset by a recipe, and evaluate."""

    dataset: Dataset
    recipe: Recipe

    @property
    def subject(self) -> Subject:
        """The dataset, the network and the recipe."""
        dataset, recipe = self.dataset, self.recipe
        dims = "-".join(map(str, (dataset.pixels, *recipe.hidden, dataset.classes)))
        return Subject(
            dataset.name,
            f"{len(dataset.train.labels)} training and {len(dataset.test.labels)} test images, "
            f"{dims} {recipe.activation} by {recipe.algorithm}, {recipe.epochs} epochs",
            {"dims": dims, **{name: _fact(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}},
        )

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Train and evaluate on `machine`."""
        return train(machine, self.dataset, self.recipe, progress)


def _fact(value: object) -> int | str:
    if isinstance(value, (int, str)):
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def audit_source(
    source: Source,
    asked: Target,
    words: Sequence[int] = (8, 16, 32),
    progress: Progress | None = None,
    proved: Proved = never_proved,
) -> Report:
    """Run a source exactly, then on uniform machines of `words` bits and on `asked`, wrapping and saturating.

    A target on which the exact run shows that nothing can overflow is not run again: it computes the same values.
    """
    exact = run_on(source, Machine(Vector(measure=True), Widths(Word(MAX_BITS))), "exact", progress)
    runs: list[tuple[Target, Evidence | None]] = []
    for target in targets_of(words, asked):
        if certified(exact.ledger, target.widths):
            runs.append((target, None))
            continue
        machine = Machine(Vector(), target.widths, target.overflow)
        runs.append((target, run_on(source, machine, str(target), progress)))
    return build_report(source.subject, exact, runs, asked, proved)


def targets_of(words: Sequence[int], asked: Target) -> list[Target]:
    """Uniform machines of `words` bits and those of the widths asked for, each in both modes."""
    widths = [Widths(Word(bits)) for bits in words]
    if asked.widths not in widths:
        widths.append(asked.widths)
    return [Target(w, overflow) for w in widths for overflow in Overflow]


def run_on(source: Source, machine: Machine, name: str, progress: Progress | None) -> Evidence:
    """Run a source on one machine; progress is told under the machine's name."""
    telling: Callable[[str, int, int], None] | None = None
    if progress is not None:

        def telling(what: str, done: int, total: int) -> None:
            progress(f"{name}: {what}", done, total)

    return Evidence(source.run(machine, telling), machine.ledger)


def audit_training(
    dataset: Dataset,
    recipe: Recipe,
    asked: Target,
    words: Sequence[int] = (8, 16, 32),
    progress: Progress | None = None,
) -> Report:
    """`audit_source` of a training."""
    return audit_source(Training(dataset, recipe), asked, words, progress)
