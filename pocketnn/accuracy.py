"""What recipes reach: full training runs over several seeds, each with the verdict of its own audit beside it.

Protocol: the accuracy is that of the last epoch, whatever better ones came before it, over all images it is judged on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from pocketnn.arith import Flags, Overflow
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import Progress, train

__all__ = ["Reached", "curve", "mean_and_deviation", "measure"]


@dataclass(frozen=True, slots=True)
class Reached:
    """One run. curve: correct predictions on the judging images after each epoch, of `total`.

    flags: of the whole run.
    """

    seed: int
    curve: tuple[int, ...]
    total: int
    train_correct: int
    train_total: int
    flags: Flags
    seconds: float

    @property
    def percents(self) -> tuple[float, ...]:
        """The accuracy after each epoch in percent."""
        return tuple(100 * correct / self.total for correct in self.curve)

    @property
    def percent(self) -> float:
        """The last epoch's accuracy in percent."""
        return self.percents[-1]


def measure(
    dataset: Dataset,
    recipes: Sequence[Recipe],
    widths: Widths,
    overflow: Overflow = Overflow.WRAP,
    progress: Progress | None = None,
) -> Iterator[Reached]:
    """Train and judge by each recipe in turn (the same one with several seeds), on a fresh machine."""
    for recipe in recipes:
        machine = Machine(None, widths, overflow)
        start = time.perf_counter()
        run = train(machine, dataset, recipe, progress)
        yield Reached(
            recipe.seed,
            tuple(epoch.test_correct for epoch in run.epochs) or (run.test_correct,),
            run.test_total,
            run.final_train_correct,
            run.train_total,
            machine.ledger.flags,
            time.perf_counter() - start,
        )


def mean_and_deviation(runs: Sequence[Reached]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for a single run) of the last epochs' accuracies, in percent."""
    percents = [run.percent for run in runs]
    return mean(percents), stdev(percents) if len(percents) > 1 else 0.0


def curve(runs: Sequence[Reached]) -> tuple[float, ...]:
    """Mean accuracy in percent after each epoch, over runs of equal length."""
    return tuple(map(mean, zip(*(run.percents for run in runs), strict=True)))
