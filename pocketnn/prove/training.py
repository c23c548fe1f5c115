"""Training certificate by induction: if weights and biases are within their limits before a step, then whatever the
data, nothing in the step overflows, and they are within their limits after it; so in no run of any length."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from pocketnn.arith import Interval, Partition, Ranges, Role, Values
from pocketnn.audit.verdict import Target
from pocketnn.dfa import Learner
from pocketnn.errors import UsageError
from pocketnn.init import init_limit
from pocketnn.jitter import shifted
from pocketnn.machine import Machine
from pocketnn.nn import Network, layer_names
from pocketnn.prove.certificate import Certificate, examine
from pocketnn.recipe import Recipe
from pocketnn.train import Inputs, architecture_of
from pocketnn.update import Rate

__all__ = ["Training", "certify", "is_provable"]


@dataclass(frozen=True, slots=True)
class Training:
    """What is to be proved: any run of `recipe`, whatever its seed, on any images.

    pixels: of an image, each within `inputs`, both bounds included. classes: of the labels. samples: training images,
    which an epoch's losses are summed over. Raises UsageError for convolution layers.
    """

    recipe: Recipe
    pixels: int
    classes: int
    samples: int
    inputs: tuple[int, int] = (0, 255)

    def __post_init__(self) -> None:
        if self.recipe.conv:
            raise UsageError(
                "conv: there are no certificates of convolution layers yet; leave it out, or audit the run"
            )

    @property
    def dims(self) -> tuple[int, ...]:
        """Layer sizes, from input to output."""
        return (self.pixels, *self.recipe.hidden, self.classes)

    def parameters(self) -> dict[str, Ranges]:
        """Every parameter within what it can be before any step: its initial values, and its weight limit."""
        recipe, dims = self.recipe, self.dims
        bounds = list(recipe.per_layer("weight_limit"))
        if recipe.init:
            bounds = list(map(max, bounds, recipe.per_layer("init")))
        elif recipe.algorithm == "bp":
            bounds = [max(bound, init_limit(n, m)) for bound, (n, m) in zip(bounds, pairwise(dims), strict=True)]
        result = {}
        for name, bound, (n, m) in zip(layer_names(len(dims) - 1), bounds, pairwise(dims), strict=True):
            result[f"{name}_weight"], result[f"{name}_bias"] = (
                Ranges((n, m), -bound, bound),
                Ranges((1, m), -bound, bound),
            )
            if recipe.batch_norm:  # nothing bounds these two: claim what the first step starts from
                result[f"{name}_gamma"], result[f"{name}_beta"] = Ranges((1, m), 1, 1), Ranges((1, m), 0, 0)
        return result

    def targets(self) -> Ranges:
        """A batch of targets: each row is of one class, any class."""
        on, off = self.recipe.target_on, self.recipe.target_off
        hot = [[[on if c == k else off for c in range(self.classes)]] for k in range(self.classes)]
        return Ranges((self.recipe.batch, self.classes), hot, hot, (Partition(self.classes, by_row=True),))

    def feedback(self) -> list[Ranges]:
        """Feedback matrices as they are drawn, of any seed."""
        limits = self.recipe.per_layer("feedback_limit") or [init_limit(n, m) for n, m in pairwise(self.dims[:-1])]
        return [Ranges((self.classes, m), -bound, bound) for m, bound in zip(self.dims[1:-1], limits, strict=True)]

    def with_batch(self, n: int) -> Training:
        """The same with batches of `n`."""
        return replace(self, recipe=replace(self.recipe, batch=n))

    def with_weight_limit(self, layers: range, n: int) -> Training:
        """The same with weights of `layers` clamped to +-n."""
        given = self.recipe.per_layer("weight_limit")
        limits = tuple(n if i in layers else limit for i, limit in enumerate(given))
        return replace(self, recipe=replace(self.recipe, weight_limit=limits))

    def with_loss_limit(self, n: int) -> Training:
        """The same with the sum of an epoch's losses stopped at `n`."""
        return replace(self, recipe=replace(self.recipe, loss_limit=n))

    def with_greatest_pixel(self, n: int) -> Training:
        """The same with pixels up to `n`."""
        return replace(self, inputs=(min(self.inputs[0], n), n))

    def rates(self) -> list[tuple[int, int]]:
        """The least and the greatest inverse learning rate of each layer, or of all; they only grow with the epochs."""
        return list(zip(self.recipe.rates(1), self.recipe.rates(max(self.recipe.epochs, 1)), strict=True))

    def run(self, m: Machine) -> dict[str, tuple[Ranges, Ranges]]:
        """Any step of any epoch, on ranges; parameters and carried remainders before and after it, by name."""
        recipe = self.recipe
        network = Network(m, architecture_of(recipe, self.pixels, self.classes), self.parameters())
        learner = Learner(m, network, recipe, self.feedback())
        self._any_epoch(m, learner)
        before = _state(learner)
        if recipe.batch_norm and recipe.batch > 1:  # an evaluation's last batch may be short: see inference.program_of
            network.predict(network.forward(self._images(m, 1)))
        target = m.load(self.targets(), Role.CONSTANT, at="target")
        done = learner.step(self._images(m, recipe.batch, bool(recipe.jitter)), target)
        network.predict(done.outputs)
        after = _state(learner)
        learner.loss.accumulate(self._earlier_losses(m, done.loss), done.loss)
        return {name: (before[name], after[name]) for name in before}

    def _earlier_losses(self, m: Machine, loss: Any) -> Values:
        """What the register of the epoch's loss can hold before any step of an epoch: the losses of all steps before.

        They are those of at most samples - batch images, of which `batch` have at most one step's loss. The register
        also stays within the loss limit, where there is one. Where the sum can overflow, it can hold anything.
        """
        word, limit = m.register(Role.LOSS).word, self.recipe.loss_limit
        lo, hi = loss.ends()
        least, most = (end * max(self.samples - self.recipe.batch, 0) // self.recipe.batch for end in (lo, hi))
        least, most = min(least, 0), max(most, 0)
        if 0 < limit <= word.hi:
            least, most = 0, min(most, limit)
        elif limit or least + lo < word.lo or word.hi < most + hi:
            least, most = word.lo, word.hi
        return m.load(Ranges((1, 1), least, most), Role.LOSS, at="epoch_loss")

    def _any_epoch(self, m: Machine, learner: Learner) -> None:
        """Learning rates of any epoch, and remainders below them."""
        rates = self.rates()
        layers = learner.network.layers
        owners = [m] if len(rates) == 1 else [layer.m for layer in layers]
        part = self.recipe.carry_div
        loaded = [self._any_rate(owner, *pair) for owner, pair in zip(owners, rates, strict=True)]
        learner.rates = loaded * (len(layers) // len(loaded))
        if self.recipe.carry:
            greatest = [part or most for _, most in rates] * (len(layers) // len(rates))
            for update, most in zip(learner.updates, greatest, strict=True):
                for rule in (update.weight, update.bias):
                    if rule.remainder is not None:
                        any_rest = Ranges(rule.remainder.shape, 1 - most, most - 1)
                        rule.remainder = rule.m.load(any_rest, Role.UPDATE, at=f"{rule.prefix}carry_zero")

    def _any_rate(self, m: Machine, least: int, most: int) -> Rate:
        """A learning rate of any epoch."""
        part = self.recipe.carry_div
        if not part:
            return Rate(m.load(Ranges((), -most, -least), Role.CONSTANT, at="neg_lr_inv"))
        first = m.load(Ranges((), least // part, most // part), Role.CONSTANT, at="first_div_by")
        return Rate(m.constant(-part, "neg_carry_div"), first)

    def _images(self, m: Machine, rows: int, jitter: bool = False) -> Values:
        """A batch of any images. Moved by jitter, a pixel is that of another place or 0."""
        recipe, (lo, hi) = self.recipe, self.inputs
        if jitter:
            lo, hi = min(lo, 0), max(hi, 0)
        table = shifted(math.isqrt(self.pixels), 0, 0) if jitter else None
        return Inputs(m, recipe.input_shift, recipe.input_centre)(Ranges((rows, self.pixels), lo, hi), table)


def _state(learner: Learner) -> dict[str, Any]:
    """What a step changes, by name."""
    result: dict[str, Any] = {}
    names = layer_names(len(learner.network.layers))
    for name, layer, update in zip(names, learner.network.layers, learner.updates, strict=True):
        result[f"{name}_weight"], result[f"{name}_bias"] = layer.weight, layer.bias
        if layer.norm:
            result[f"{name}_gamma"], result[f"{name}_beta"] = layer.norm.gamma, layer.norm.beta
        for kind, rule in (("weight", update.weight), ("bias", update.bias)):
            if rule.remainder is not None:
                result[f"{name}_{kind}_remainder"] = rule.remainder
    return result


def certify(training: Training, target: Target) -> Certificate:
    """The certificate for any run, whether it is a proof or not.

    Every range is an upper bound: operands that come from the same weights or images are taken for independent, but
    for activations, whose pieces are followed one by one, and targets, of which one in a row is 15 and the rest 0.
    """
    recipe = training.recipe
    found = examine(training.run, target)
    claim = {
        "dims": list(training.dims),
        "inputs": list(training.inputs),
        "samples": training.samples,
        "rates": [list(pair) for pair in training.rates()],
        **{field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name not in ("hidden", "seed")},
    }
    return Certificate(
        "training", target, claim, found.sites, found.invariants, notes=found.notes, steps=tuple(found.listing.steps)
    )


def is_provable(training: Training, target: Target) -> bool:
    """Whether there is a certificate."""
    machine = Machine(Interval(), target.widths, target.overflow)
    kept = training.run(machine)
    if machine.ledger.overflowed:
        return False
    ends = ((before.ends(), after.ends()) for before, after in kept.values())
    return all(before[0] <= after[0] and after[1] <= before[1] for before, after in ends)
