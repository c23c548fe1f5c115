"""Recipe: how a network is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pocketnn.arith import MAX_BITS
from pocketnn.errors import UsageError

__all__ = ["ALGORITHMS", "SCHEDULES", "WEIGHT_LIMIT", "Recipe"]

ALGORITHMS = ("dfa", "bp")
SCHEDULES = ("doubling", "linear")
WEIGHT_LIMIT = 32767  # weights and biases are clamped to +-32767 after every update (PocketNN reference)
_EACH_LAYER = ("lr_inv", "init", "weight_limit", "scale")
_EACH_HIDDEN = ("error_div", "feedback_limit", "activation_div")
_MAY_BE_EMPTY = ("init", "scale", "feedback_limit")
_TARGETS = range(-(1 << 15), 1 << 15)
_MOST = {"epochs": 1 << 20, "batch": 1 << 20, "input_shift": MAX_BITS, "input_centre": 1 << 16}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: layer sizes between input and output, algorithm, schedule, seed. The defaults are the reference's.

    Where a field holds one number per layer, a single one counts for all of them.

    init: draw the initial weights and biases of each layer from -init..init without 0, layer by layer; empty: as the
    reference does (all zero for DFA, its He-like range for BP).
    lr_inv: inverse learning rate of each layer in the first epoch; schedule: what becomes of it (see `rates`).
    carry: add the remainder of each update's division to the next gradient of the same weight, instead of dropping it.
    carry_div: divide gradients in two steps, by lr_inv / carry_div (its remainder is dropped), then by carry_div (its
    remainder is what carry keeps, so it fits a register of a few bits whatever lr_inv is); 0: in one step.
    target_on, target_off: target of the true class and of all others.
    one_sided: an output beyond its target, on the side away from the other target, is no error (squared hinge loss).
    gain: multiply the loss delta by this before it goes back, so that the division by grad_inv drops less of it.
    error_div: divide the error that reaches each hidden layer by this.
    error_limit: clamp the loss delta, and the error that reaches each hidden layer, to +-error_limit; 0: do not.
    feedback_limit: draw the feedback matrix of each hidden layer from this range; empty: from the reference's.
    scale: divide each layer's sums by this before the activation; empty: as the activation says (2^8 fan_in).
    activation_div: divide the activations of each hidden layer by this before the next layer uses them.
    weight_limit: weights and biases of each layer are clamped to +-weight_limit after every update.
    input_shift: divide pixels by 2^input_shift before they enter the network (0 for none).
    input_centre: subtract this from every pixel, after the division.
    jitter: move the images of each training batch by up to this many pixels, drawn for each batch (0 for not at all).
    loss_div: divide the loss delta by this before it is squared for the loss, on which no weight depends.
    loss_limit: stop the register of the epoch's loss there; 0: nowhere.
    conv: filters, 5 x 5, of each convolution layer before the hidden ones, with 2 x 2 max pooling; for DFA. They count
    as hidden layers where a field holds a number per layer.
    Raises UsageError for values that make no sense.
    """

    hidden: tuple[int, ...] = (100, 50)
    activation: str = "pocket_tanh"
    algorithm: str = "dfa"
    batch_norm: bool = False
    epochs: int = 3
    batch: int = 20
    lr_inv: int | tuple[int, ...] = 1000
    seed: int = 1
    input_shift: int = 0
    input_centre: int = 0
    jitter: int = 0
    init: int | tuple[int, ...] = ()
    schedule: str = "doubling"
    lr_doubling: int = 10
    carry: bool = False
    target_on: int = 15
    target_off: int = 0
    one_sided: bool = False
    gain: int = 1
    error_div: int | tuple[int, ...] = 1
    weight_limit: int | tuple[int, ...] = WEIGHT_LIMIT
    carry_div: int = 0
    error_limit: int = 0
    feedback_limit: int | tuple[int, ...] = ()
    scale: int | tuple[int, ...] = ()
    activation_div: int | tuple[int, ...] = 1
    loss_div: int = 1
    loss_limit: int = 0
    conv: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"algorithm {self.algorithm!r} does not exist; there are {' and '.join(ALGORITHMS)}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"schedule {self.schedule!r} does not exist; there are {' and '.join(SCHEDULES)}")
        for name in ("epochs", "input_shift", "input_centre", "jitter", "carry_div", "error_limit", "loss_limit"):
            self._at_least(name, 0)
        for name in ("batch", "lr_doubling", "gain", "loss_div", "conv", *_EACH_LAYER, *_EACH_HIDDEN):
            self._at_least(name, 1)
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise UsageError(f"{name} is {getattr(self, name)}: give at most {most}")
        if self.target_on <= self.target_off:
            raise UsageError(f"target_on is {self.target_on}: it must be above target_off, {self.target_off}")
        for name in ("target_on", "target_off"):
            if getattr(self, name) not in _TARGETS:
                raise UsageError(f"{name} is {getattr(self, name)}: give one from {_TARGETS[0]} to {_TARGETS[-1]}")
        for name in (*_EACH_LAYER, *_EACH_HIDDEN):
            given, count = len(self._numbers(name)), self._count(name)
            if given not in (1, count) and not (name in _MAY_BE_EMPTY and given == 0):
                raise UsageError(f"{name} has {given} numbers: give one for all layers, or {count}, one for each")
        if self.carry_div:
            self._check_carry_div()
        if self.conv and (self.algorithm != "dfa" or self.batch_norm or set(self._numbers("activation_div")) != {1}):
            raise UsageError(
                f"conv is {','.join(map(str, self.conv))}: convolution layers know algorithm dfa only, and neither "
                "batch_norm nor activation_div; leave out one or the other"
            )

    def _check_carry_div(self) -> None:
        if self.batch_norm:
            raise UsageError(
                f"carry_div is {self.carry_div}: not with batch_norm, whose gamma and beta know one division"
            )
        if self.carry_div > min(self._numbers("lr_inv")):
            raise UsageError(
                f"carry_div is {self.carry_div}: give at most the least of lr_inv, of which it is a factor"
            )

    def _at_least(self, name: str, least: int) -> None:
        for number in self._numbers(name):
            if number < least:
                raise UsageError(f"{name} is {number}: give a whole number from {least}")

    def _numbers(self, name: str) -> tuple[int, ...]:
        given: int | tuple[int, ...] = getattr(self, name)
        return given if isinstance(given, tuple) else (given,)

    def per_layer(self, name: str) -> tuple[int, ...]:
        """The numbers of the field `name`, one for each of its layers, or hidden layers; none where it is empty."""
        given = self._numbers(name)
        return given * self._count(name) if len(given) == 1 else given

    def _count(self, name: str) -> int:
        """How many layers the field `name` has a number for."""
        return len(self.conv) + len(self.hidden) + (name in _EACH_LAYER)

    def rates(self, epoch: int) -> tuple[int, ...]:
        """The inverse learning rates in an epoch, counted from 1: one for all layers, or one for each.

        doubling: doubled at the start of epochs lr_doubling, 2 lr_doubling, ...
        linear: the rate falls by an equal amount each epoch, to 1/epochs of the first in the last, so that the inverse
        is lr_inv * epochs / (epochs left, this one included), the division truncating.
        """
        if self.schedule == "doubling":
            return tuple(value << epoch // self.lr_doubling for value in self._numbers("lr_inv"))
        epochs = max(self.epochs, 1)
        return tuple(value * epochs // (epochs - epoch + 1) for value in self._numbers("lr_inv"))

    def differing(self) -> dict[str, object]:
        """The fields that are not as in the reference, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @classmethod
    def of_data(cls, data: object) -> Recipe:
        """The opposite of `dataclasses.asdict`, for what comes from a file: lists stand for tuples.

        A field that is not there has its default. Raises UsageError for anything that is no recipe.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"{str(data)[:40]!r} where a recipe belongs, its fields by name")
        kinds = {field.name: str(field.type) for field in fields(cls)}
        given: dict[str, Any] = {}
        for name, value in data.items():
            if name not in kinds:
                raise UsageError(f"{str(name)[:40]!r} is no field of a recipe; a later pocketnn may know it")
            given[name] = tuple(value) if isinstance(value, list) else value
            if _kind(given[name]) not in kinds[name].split(" | "):
                raise UsageError(f"{name} is {str(value)[:40]!r}: {kinds[name]} belongs here")
        return cls(**given)


def _kind(value: object) -> str:
    """The type of a field's value, as it is written in the class above."""
    if isinstance(value, tuple):
        return "tuple[int, ...]" if all(type(number) is int for number in value) else "tuple"
    return type(value).__name__
