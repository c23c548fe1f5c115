"""What can be audited: something that runs on any machine. One exact run, then the target machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from pocketnn.arith import MAX_BITS, Overflow, Vector, Word
from pocketnn.audit import memory
from pocketnn.audit.observe import Observer
from pocketnn.audit.propose import narrowest, proposed
from pocketnn.audit.report import Evidence, Report, Subject, build_report
from pocketnn.audit.verdict import Proved, Target, certified, never_proved, zero_free
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.saved import Saved
from pocketnn.scores import Scores
from pocketnn.train import Progress, Recipe, train

__all__ = ["Evaluation", "Source", "Training", "audit_source", "audit_training", "run_on", "targets_of"]


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
        layers = (dataset.pixels, *recipe.hidden, dataset.classes)
        dims = "-".join(map(str, layers))
        return Subject(
            dataset.name,
            f"{len(dataset.train.labels)} training and {len(dataset.test.labels)} test images, "
            f"{dims} {recipe.activation} by {recipe.algorithm}, {recipe.epochs} epochs",
            {"dims": dims, **{name: _fact(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}},
            {
                "inference": memory.inference(layers, recipe.batch_norm, recipe.batch if recipe.batch_norm else 1),
                "training": memory.training(layers, recipe.batch, recipe.algorithm, recipe.batch_norm),
            },
        )

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Train and evaluate on `machine`."""
        run = train(machine, self.dataset, self.recipe, progress)
        return Scores(**{name: getattr(run, name) for name in Scores.__dataclass_fields__})  # without the network


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Evaluate saved weights on test images. name: of the weights."""

    name: str
    saved: Saved
    dataset: Dataset

    @property
    def subject(self) -> Subject:
        """The weights, the network and the data."""
        architecture, dataset = self.saved.architecture, self.dataset
        dims = "-".join(map(str, architecture.dims))
        rows = self.saved.rows if architecture.batch_norm else 1
        return Subject(
            self.name,
            f"{dims} {architecture.activation} on {len(dataset.test.labels)} test images of {dataset.name}",
            {"dims": dims, "activation": architecture.activation, "data": dataset.name},
            {"inference": memory.inference(architecture.dims, architecture.batch_norm, rows)},
        )

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Evaluate on `machine`."""
        return Scores((), 0, 0, self.saved.evaluate(machine, self.dataset, progress), len(self.dataset.test.labels))


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
    observe: bool = False,
    recorder: Callable[[Machine], AbstractContextManager[Machine]] = nullcontext,
) -> Report:
    """Run a source exactly, then on uniform machines of `words` bits and on `asked`, wrapping and saturating.

    A target on which the exact run shows that nothing can overflow is not run again: it computes the same values. The
    narrowest registers that the exact run needs are run all the same, to confirm them. observe: also keep a histogram
    and the course of every site's results. recorder: what the exact run's machine goes through, such as a recording.
    """
    machine = Machine(Vector(measure=True), Widths(Word(MAX_BITS)))
    observer = Observer(machine.backend, machine.clock) if observe else None
    with recorder(machine.over(observer) if observer else machine) as m:
        exact = run_on(source, m, "exact", progress)
    exact = exact._replace(seen=observer.seen if observer else None)
    runs: list[tuple[Target, Evidence | None]] = []
    for target in targets_of(words, asked):
        safe = certified(exact.ledger, target.widths)
        runs.append((target, None if safe else _emulate(source, target, progress)))
    confirming = None
    widths = proposed(narrowest(exact.ledger)) if zero_free(exact.ledger) else None
    if widths:
        target = Target(widths, asked.overflow)
        confirming = (target, _emulate(source, target, progress))
    return build_report(source.subject, exact, runs, asked, proved, confirming)


def _emulate(source: Source, target: Target, progress: Progress | None) -> Evidence:
    return run_on(source, Machine(Vector(), target.widths, target.overflow), str(target), progress)


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
