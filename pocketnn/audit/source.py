"""What can be audited: something that runs on any machine. One exact run, then the target machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from pocketnn.arith import MAX_BITS, Overflow, Word
from pocketnn.audit import memory
from pocketnn.audit.report import Evidence, Recording, Subject
from pocketnn.audit.verdict import Target
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import WEIGHT_LIMIT, Recipe
from pocketnn.saved import Saved
from pocketnn.scores import Scores
from pocketnn.train import Progress, architecture_of, train

__all__ = ["Evaluation", "Ladder", "Source", "Training", "fact", "run_on", "targets_of"]

_BYTE = 8  # bits of a pixel


class Source(Protocol):
    """A program that can be run again and again, on one machine after the other."""

    @property
    def subject(self) -> Subject:
        """What it is."""

    @property
    def recording(self) -> Recording | None:
        """On which machine it was recorded, and which part of its run that is; None if it is no recording."""

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Run it on `machine`, whose ledger is the result, and say what it reached."""

    def ladders(self) -> Iterator[Ladder]:
        """Changes of the program that can make its values smaller, for advice: per kind, the smallest step first."""


Ladder = Iterator[tuple[str, "Source"]]
"""Steps of one kind of change, the smallest first: what it is, in words, and the changed program."""


@dataclass(frozen=True, slots=True)
class Training:
    """Train on a dataset by a recipe, and evaluate."""

    dataset: Dataset
    recipe: Recipe
    recording: ClassVar[None] = None

    @property
    def subject(self) -> Subject:
        """The dataset, the network and the recipe."""
        dataset, recipe = self.dataset, self.recipe
        layers = architecture_of(recipe, dataset.pixels, dataset.classes).dims
        arrays = {
            "inference": memory.inference(layers, recipe.batch_norm, recipe.batch if recipe.batch_norm else 1),
            "training": memory.training(layers, recipe.batch, recipe.algorithm, recipe.batch_norm, recipe.carry),
        }
        dims = "-".join(map(str, layers))
        return Subject(
            dataset.name,
            f"{len(dataset.train.labels)} training and {len(dataset.test.labels)} test images, "
            f"{dims} {recipe.activation} by {recipe.algorithm}, {recipe.epochs} epochs",
            {"dims": dims, **{name: fact(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}},
            {} if recipe.conv else arrays,  # what convolution layers keep is not worked out
        )

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Train and evaluate on `machine`."""
        run = train(machine, self.dataset, self.recipe, progress)
        return Scores(**{name: getattr(run, name) for name in Scores.__dataclass_fields__})  # without the network

    def ladders(self) -> Iterator[Ladder]:
        """Smaller batches, inputs divided, weights clamped."""
        batches = (self.recipe.batch >> n for n in range(1, self.recipe.batch.bit_length()))
        yield ((f"batches of {n}", replace(self, recipe=replace(self.recipe, batch=n))) for n in batches)
        shifts = range(self.recipe.input_shift + 1, _BYTE)
        yield ((f"inputs / 2^{n}", replace(self, recipe=replace(self.recipe, input_shift=n))) for n in shifts)
        limits = self.recipe.per_layer("weight_limit")
        tighter = ((n, tuple(min(n, limit) for limit in limits)) for n in _clamps(max(limits)))
        yield (
            (f"weights clamped to +-{n}", replace(self, recipe=replace(self.recipe, weight_limit=each)))
            for n, each in tighter
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Evaluate saved weights on test images. name: of the weights."""

    name: str
    saved: Saved
    dataset: Dataset
    recording: ClassVar[None] = None

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

    def ladders(self) -> Iterator[Ladder]:
        """Inputs divided, weights clamped."""
        shifts = range(self.saved.recipe.input_shift + 1, _BYTE)
        yield ((f"inputs / 2^{n}", replace(self, saved=self.saved.changed(input_shift=n))) for n in shifts)
        limits = _clamps(WEIGHT_LIMIT + 1)
        yield ((f"weights clamped to +-{limit}", replace(self, saved=self.saved.clamped(limit))) for limit in limits)


def _clamps(below: int) -> Iterator[int]:
    """Magnitudes of words of ever fewer bits: 2^n - 1, all smaller than `below`."""
    return ((1 << n) - 1 for n in range(MAX_BITS - 1, 0, -1) if (1 << n) - 1 < below)


def fact(value: object) -> int | str:
    """A recipe's field as a fact of a subject."""
    if isinstance(value, (int, str)):
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def targets_of(words: Sequence[int], others: Sequence[Target]) -> list[Target]:
    """Uniform machines of `words` bits and machines with the widths of `others`, each in both modes, none twice."""
    widths: list[Widths] = []
    for each in (*(Widths(Word(bits)) for bits in words), *(other.widths for other in others)):
        if each not in widths:
            widths.append(each)
    return [Target(w, overflow) for w in widths for overflow in Overflow]


def run_on(source: Source, machine: Machine, name: str, progress: Progress | None) -> Evidence:
    """Run a source on one machine; progress is told under the machine's name."""
    telling: Callable[[str, int, int], None] | None = None
    if progress is not None:

        def telling(what: str, done: int, total: int) -> None:
            progress(f"{name}: {what}", done, total)

    return Evidence(source.run(machine, telling), machine.ledger)
