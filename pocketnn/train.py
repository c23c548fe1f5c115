"""Training and evaluation of a network on a dataset, in the reference's order of draws and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketnn.arith import Role, Tensor, Values
from pocketnn.conv_layer import pooled_sizes
from pocketnn.data import Dataset, Split
from pocketnn.dfa import Learner
from pocketnn.errors import UsageError
from pocketnn.init import Rand
from pocketnn.jitter import Jitter
from pocketnn.machine import Machine
from pocketnn.nn import Architecture, Network
from pocketnn.recipe import Recipe
from pocketnn.scores import EpochResult, Scores

__all__ = [
    "EVALUATION_ROWS",
    "EpochResult",
    "Inputs",
    "Progress",
    "Run",
    "Trainer",
    "architecture_of",
    "evaluate",
    "train",
]

EVALUATION_ROWS = 500  # rows per forward pass where the batch size does not change the result

Progress = Callable[[str, int, int], None]
"""Called with what is running, steps done and steps in all."""


@dataclass(frozen=True, slots=True)
class Run(Scores):
    """A finished training run: its figures, and the network that it left."""

    network: Network


class Inputs:
    """Feeds batches of images into a machine, divided by 2^shift and less `centre` where asked for.

    What is divided first passes through an accumulator register, so input registers need not hold undivided pixels.
    """

    def __init__(self, m: Machine, shift: int = 0, centre: int = 0) -> None:
        self.m = m.scope("input")
        self.divisor = self.m.constant(1 << shift, "shift_by") if shift else None
        self.centre = self.m.constant(centre, "centre_by") if centre else None

    def __call__(self, images: object, table: Tensor | None = None) -> Values:
        """N x pixels from uint8 images, their pixels moved by an index table if there is one."""
        raw = Role.INPUT if self.divisor is None else Role.ACCUMULATOR
        x = self.m.load(images, raw)
        if table is not None:
            x = self.m.gather(x, table, raw)
        if self.divisor is not None:
            x = self.m.div(x, self.divisor, Role.INPUT, at="shift")
        return x if self.centre is None else self.m.sub(x, self.centre, Role.INPUT, at="centre")


def architecture_of(recipe: Recipe, pixels: int, classes: int) -> Architecture:
    """The network that a recipe trains on images of `pixels` pixels. Raises UsageError if its filters do not fit."""
    scale, activation_div = recipe.per_layer("scale"), recipe.per_layer("activation_div")
    dims = (pixels, *pooled_sizes(pixels, recipe.conv), *recipe.hidden, classes)
    return Architecture(dims, recipe.activation, recipe.batch_norm, scale, activation_div, recipe.conv)


def evaluate(
    m: Machine,
    network: Network,
    split: Split,
    rows: int = EVALUATION_ROWS,
    feed: Inputs | None = None,
    phase: str = "test",
    epoch: int = 0,
    progress: Progress | None = None,
) -> int:
    """Correct predictions on `split`, forward passes of `rows` rows; a last short pass is included.

    feed: how images enter the machine, by default as they are.
    """
    feed = feed or Inputs(m)
    correct, total = 0, len(split.labels)
    for step, start in enumerate(range(0, total, rows), start=1):
        m.now(phase, epoch, step)
        predicted = network.predict(network.forward(feed(split.images[start : start + rows])))
        correct += m.score(predicted, split.labels[start : start + rows])
        if progress:
            progress(phase, min(start + rows, total), total)
    return correct


class Trainer:
    """Trains a network by `recipe` on `m`, epoch after epoch. A last short batch is dropped, as in the reference.

    Draw order: initial values (BP), epoch-1 shuffle, feedback matrices at the first step (DFA), later shuffles; the
    order of the samples carries over from epoch to epoch. With jitter, a shift before each step.
    parameters: where to start, by name, in place of the recipe's initial values; all else is drawn as without them.
    Raises UsageError if there are fewer samples than `batch`, or images that cannot be shifted.
    """

    def __init__(
        self, m: Machine, dataset: Dataset, recipe: Recipe, parameters: Mapping[str, Any] | None = None
    ) -> None:
        labels = dataset.train.labels
        if recipe.batch > len(labels):
            raise UsageError(
                f"batch is {recipe.batch} but there are only {len(labels)} training samples; make it smaller"
            )
        self.m, self.recipe, self._split = m, recipe, dataset.train
        self._rand = Rand(recipe.seed)
        architecture = architecture_of(recipe, dataset.pixels, dataset.classes)
        drawn = recipe.init or recipe.algorithm == "bp"
        initial = architecture.drawn(self._rand, recipe.per_layer("init")) if drawn else architecture.zeros()
        self.network = Network(m, architecture, parameters or initial)
        self._learner = Learner(m, self.network, recipe, self._rand)
        self.feed = Inputs(m, recipe.input_shift, recipe.input_centre)
        self._jitter = Jitter(dataset.pixels, recipe.jitter, self._rand) if recipe.jitter else None
        on, off = np.int16(recipe.target_on), np.int16(recipe.target_off)
        self._targets = np.where(np.arange(dataset.classes) == labels[:, None], on, off)
        self._order = list(range(len(labels)))
        self._rates = recipe.rates(1)
        self.steps = len(labels) // recipe.batch
        self.loss = self._learner.loss.zero

    def begin(self, epoch: int) -> None:
        """Begin an epoch, from 1: load its learning rates if they are others, and start its sum of losses at zero.

        Those after the recipe's last epoch have the rates of the last.
        """
        rates = self.recipe.rates(min(epoch, max(self.recipe.epochs, 1)))
        if rates != self._rates:
            self._rates = rates
            self._learner.set_lr_inv(rates)
        self.loss = self._learner.loss.zero

    def epoch(self, epoch: int) -> Iterator[int]:
        """Train for an epoch, from 1; after each step, how many images of its batch were predicted right."""
        m, learner, batch = self.m, self._learner, self.recipe.batch
        images, labels = self._split.images, self._split.labels
        self._rand.shuffle(self._order)
        shuffled = np.array(self._order)
        for step in range(1, self.steps + 1):
            m.now("train", epoch, step)
            if step == 1:
                self.begin(epoch)
            chosen = shuffled[(step - 1) * batch : step * batch]
            target = m.load(self._targets.take(chosen, axis=0), Role.CONSTANT, at="target")
            x = self.feed(images.take(chosen, axis=0), self._jitter.draw() if self._jitter else None)
            done = learner.step(x, target)
            self.loss = learner.loss.accumulate(self.loss, done.loss)
            yield m.score(self.network.predict(done.outputs), labels[chosen])


def train(m: Machine, dataset: Dataset, recipe: Recipe, progress: Progress | None = None) -> Run:
    """Train by `recipe` on `m`; test after every epoch. Raises as Trainer does."""
    trainer = Trainer(m, dataset, recipe)
    network, count, tests = trainer.network, len(dataset.train.labels), len(dataset.test.labels)
    rows = recipe.batch if recipe.batch_norm else EVALUATION_ROWS  # batch statistics depend on the batch
    results: list[EpochResult] = []
    for epoch in range(1, recipe.epochs + 1):
        correct = 0
        for step, right in enumerate(trainer.epoch(epoch), start=1):
            correct += right
            if progress:
                progress(f"epoch {epoch}/{recipe.epochs}", step, trainer.steps)
        tested = evaluate(m, network, dataset.test, rows, trainer.feed, "test", epoch, progress)
        loss = int(trainer.loss.ints()[0, 0])
        results.append(EpochResult(epoch, loss, correct, trainer.steps * recipe.batch, tested, tests))
    final = evaluate(m, network, dataset.train, rows, trainer.feed, "final", recipe.epochs, progress)
    tested = (
        results[-1].test_correct
        if results
        else evaluate(m, network, dataset.test, rows, trainer.feed, "test", 0, progress)
    )
    return Run(tuple(results), final, count, tested, tests, network)
