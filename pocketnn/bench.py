"""Speed of the emulation on one network, against the same network in plain int64 NumPy, in one session."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pocketnn.arith import Around, Backend, Op, Outcome, Overflow, Register, Vector
from pocketnn.arith.how import HAVE_COMPILED
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import EpochResult, Progress, Run, train
from pocketnn.yardstick import train_int64

__all__ = ["Measurement", "Timed", "measure", "warm_up"]

# Steps before what is timed. As numbers and their bounds grow, other kernels are needed; the last of them, on MNIST,
# when the bound of the epoch's loss leaves its register.
_WARM_UP = 1000


@dataclass(frozen=True, slots=True)
class Measurement:
    """One timed run. macs: multiply-accumulates done. ratio: the yardstick's time over this one's. equal: whether its
    loss sums and counts are the yardstick's (they need not be where registers overflow)."""

    name: str
    seconds: float
    epochs: int
    macs: int
    ratio: float
    equal: bool
    shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timed(Around):
    """Wraps a backend and adds up the time spent per op."""

    inner: Backend
    seconds: Counter[str] = field(default_factory=Counter)

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` on the inner backend; see Backend.apply."""
        start = time.perf_counter()
        outcome = self.inner.apply(op, args, to, site)
        self.seconds[op.name] += time.perf_counter() - start  # type: ignore[assignment]
        return outcome


def measure(
    dataset: Dataset, recipe: Recipe, widths: Widths, overflow: Overflow, progress: Progress | None = None
) -> list[Measurement]:
    """Time the yardstick, then the emulation on `widths`: with flags, with ranges too, and without the compiled kernel.

    `recipe` must be the one that the yardstick knows (DFA, pocket_tanh, batch 20, lr_inv 1000); only hidden layers,
    epochs and seed may differ. The shares per op come from a run of their own, so that timing does not slow the rest.
    """
    start = time.perf_counter()
    expected = train_int64(dataset, recipe.hidden, recipe.epochs, recipe.seed)
    yardstick = time.perf_counter() - start
    backends: dict[str, Callable[[], Backend]] = {
        "emulation, flags on": Vector,
        "emulation, flags and ranges": lambda: Vector(measure=True),
    }
    if HAVE_COMPILED:
        backends["emulation, flags on, NumPy alone"] = lambda: Vector(compiled=False)
    results = []
    for name, backend in backends.items():
        warm_up(Machine(backend(), widths, overflow), dataset, recipe)
        machine = Machine(backend(), widths, overflow)
        start = time.perf_counter()
        run = train(machine, dataset, recipe, progress)
        seconds = time.perf_counter() - start
        macs = sum(site.narrowings // 2 for site in machine.ledger if site.op == "mac")
        results.append(Measurement(name, seconds, recipe.epochs, macs, yardstick / seconds, _rows(run) == expected))
    timed = Timed(Vector())
    train(Machine(timed, widths, overflow), dataset, recipe, progress)
    total = sum(timed.seconds.values())
    shares = {op: seconds / total for op, seconds in timed.seconds.most_common()}
    first = results[0]
    results[0] = Measurement(first.name, first.seconds, first.epochs, first.macs, first.ratio, first.equal, shares)
    return [Measurement("plain int64 NumPy (yardstick)", yardstick, recipe.epochs, first.macs, 1.0, True), *results]


def warm_up(machine: Machine, dataset: Dataset, recipe: Recipe) -> None:
    """Let numba compile what this machine needs before anything is timed."""
    images, tests = dataset.train.first(_WARM_UP * recipe.batch), dataset.test.first(1)
    train(machine, Dataset(dataset.name, images, tests, dataset.classes, dataset.source), replace(recipe, epochs=1))


def _rows(run: Run) -> list[tuple[int, int, int]]:
    """A run in the yardstick's form."""

    def row(epoch: EpochResult) -> tuple[int, int, int]:
        return epoch.loss_sum, epoch.train_correct, epoch.test_correct

    return [*map(row, run.epochs), (0, run.final_train_correct, 0)]
