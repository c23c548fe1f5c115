"""Recording the program to export: some steps of a network's inference or training, on the machine asked for."""

from __future__ import annotations

from itertools import islice

import numpy as np

from pocketnn.activations import activation
from pocketnn.arith import Role
from pocketnn.data import Dataset
from pocketnn.errors import UsageError
from pocketnn.export.boundaries import boundary_images
from pocketnn.export.repeated import BEGIN, FEWEST_STEPS
from pocketnn.machine import Machine
from pocketnn.saved import Saved
from pocketnn.train import Trainer

__all__ = ["run_boundaries", "run_inference", "run_training"]


def run_inference(m: Machine, saved: Saved, dataset: Dataset, steps: int) -> None:
    """Predict made-up images and the first test images, one a step; with batch normalisation a batch a step.

    Two have what real images may not: every pixel at its most, so that none goes unnoticed; and every grey. In at most
    half of the steps more follow that lead the first layer to its boundaries (`boundary_images`).
    Raises UsageError if there are not enough images.
    """
    rows = saved.rows if saved.architecture.batch_norm else 1
    pixels = np.arange(dataset.pixels)
    designed = [np.full_like(pixels, 255), pixels * 37 % 256]
    edges = boundary_images(saved, m.widths[Role.ACCUMULATOR], steps // 2)
    images = np.concatenate([np.array(designed, np.uint8), edges, dataset.test.images])
    if steps * rows > len(images):
        raise UsageError(f"{steps} steps of {rows} images, but there are {len(images)}; ask for fewer")
    network = saved.network(m)
    feed = saved.feed(m)
    for step in range(1, steps + 1):
        m.now("test", 0, step)
        network.predict(network.forward(feed(images[(step - 1) * rows : step * rows])))


def run_training(m: Machine, saved: Saved, dataset: Dataset, steps: int) -> None:
    """Train for `steps` batches from the saved weights by their recipe, as `train` does, but with short epochs.

    Two thirds are the first steps of epoch 1. The others are of the next epoch with another learning rate, if there is
    one, so that its beginning is seen too. Then what every epoch of the recipe begins with is loaded.
    Raises UsageError if there are not enough samples for that, or for jitter, which is no repeated step.
    """
    recipe = saved.recipe
    if recipe.jitter:
        raise UsageError(
            f"jitter is {recipe.jitter}: it moves every batch by another index table, and a device repeats one step; "
            "give --jitter 0"
        )
    count = len(dataset.train.labels)
    if recipe.algorithm == "dfa" and saved.samples not in (0, count):
        raise UsageError(
            f"the weights come from a training on {saved.samples} images, the data have {count}: the feedback matrices "
            "drawn for that would be others; give the --data and --limit that the training had"
        )
    trainer = Trainer(m, dataset, recipe, saved.parameters)
    first = max(FEWEST_STEPS, steps - steps // 3)
    if first > trainer.steps:
        raise UsageError(f"{first} steps of {recipe.batch} samples, but there are {count}; ask for fewer")
    epochs = range(1, recipe.epochs + 1)
    other = next((epoch for epoch in epochs if recipe.rates(epoch) != recipe.rates(1)), 2)
    for epoch, count in ((1, first), (other, max(1, steps - first))):
        for _ in islice(trainer.epoch(epoch), count):
            pass
    for epoch in epochs:
        m.now(BEGIN, epoch)
        trainer.begin(epoch)


def run_boundaries(m: Machine, name: str, fan_in: int, steps: int = FEWEST_STEPS) -> None:
    """Apply an activation to where mistakes hide: every breakpoint and its neighbours, word bounds, small dividends.

    Breakpoints lie at whole multiples of the input scale 2^8 * fan_in, or of one, within +-130 of zero; around each,
    the values beside it. Then quotients with every sign and remainder, by 0, 1 and -1 too, and ties for the greatest.
    """
    word = m.widths[Role.ACCUMULATOR]
    scale = 256 * fan_in if name == "pocket_tanh" else 256
    near = [b * unit + d for unit in (1, scale) for b in range(-131, 132) for d in (-1, 0, 1)]
    ends = [word.lo, word.lo + 1, word.lo // 2, word.hi // 2, word.hi - 1, word.hi]
    values = sorted({x for x in (*near, *ends) if word.lo <= x <= word.hi})
    divisors = [x for x in (word.lo, -1000, -3, -2, -1, 0, 1, 2, 3, 5, 1000, word.hi) if word.lo <= x <= word.hi]
    apply = activation(m, name, fan_in)
    apply.load_gradient()
    for step in range(1, steps + 1):
        m.now("test", 0, step)
        x = m.load(np.array([values], np.int64), Role.ACCUMULATOR, at="values")
        by = m.load(np.array([[d] for d in divisors], np.int64), Role.ACCUMULATOR, at="divisors")
        y, grad_inv = apply(x), apply.grad_inv()
        update = m.div(x, by, Role.UPDATE, at="quotients")
        error = m.div(m.mul(y, y, at="squares"), grad_inv, Role.DELTA, at="errors")
        m.argmax(m.clamp(m.add(update, error, at="sums"), y, x, Role.ACTIVATION, at="clamp"), at="greatest")
