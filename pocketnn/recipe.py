"""Recipe: how a network is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pocketnn.arith import MAX_BITS
from pocketnn.errors import UsageError

__all__ = ["ALGORITHMS", "SCHEDULES", "WEIGHT_LIMIT", "Recipe"]

ALGORITHMS = ("dfa", "bp")
SCHEDULES = ("doubling", "linear")
WEIGHT_LIMIT = 32767  # weights and biases are clamped to +-32767 after every update (PocketNN reference)
_TARGETS = range(-(1 << 15), 1 << 15)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: layer sizes between input and output, algorithm, schedule, seed. The defaults are the reference's.

    Where a field holds one number per layer, a single one counts for all of them.

    init: draw the initial weights and biases of each layer from -init..init without 0, layer by layer; empty: as the
    reference does (all zero for DFA, its He-like range for BP).
    lr_inv: inverse learning rate of each layer in the first epoch; schedule: what becomes of it (see `rates`).
    carry: add the remainder of each update's division to the next gradient of the same weight, instead of dropping it.
    target_on, target_off: target of the true class and of all others.
    one_sided: an output beyond its target, on the side away from the other target, is no error (squared hinge loss).
    gain: multiply the loss delta by this before it goes back, so that the division by grad_inv drops less of it.
    error_div: divide the error that reaches each hidden layer by this.
    weight_limit: weights and biases of each layer are clamped to +-weight_limit after every update.
    input_shift: divide pixels by 2^input_shift before they enter the network (0 for none).
    input_centre: subtract this from every pixel, after the division.
    jitter: move the images of each training batch by up to this many pixels, drawn for each batch (0 for not at all).
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

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"algorithm {self.algorithm!r} does not exist; there are {' and '.join(ALGORITHMS)}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"schedule {self.schedule!r} does not exist; there are {' and '.join(SCHEDULES)}")
        for name in ("epochs", "input_shift", "input_centre", "jitter"):
            self._at_least(name, 0)
        for name in ("batch", "lr_inv", "init", "lr_doubling", "gain", "error_div", "weight_limit"):
            self._at_least(name, 1)
        if self.input_shift > MAX_BITS:
            raise UsageError(f"input_shift is {self.input_shift}: no word has more than {MAX_BITS} bits")
        if self.target_on <= self.target_off:
            raise UsageError(f"target_on is {self.target_on}: it must be above target_off, {self.target_off}")
        for name in ("target_on", "target_off"):
            if getattr(self, name) not in _TARGETS:
                raise UsageError(f"{name} is {getattr(self, name)}: give one from {_TARGETS[0]} to {_TARGETS[-1]}")
        layers = len(self.hidden) + 1
        for name, count in (("lr_inv", layers), ("init", layers), ("weight_limit", layers), ("error_div", layers - 1)):
            given = len(self._numbers(name))
            if given not in (1, count) and not (name == "init" and given == 0):
                raise UsageError(f"{name} has {given} numbers: give one for all layers, or {count}, one for each")

    def _at_least(self, name: str, least: int) -> None:
        for number in self._numbers(name):
            if number < least:
                raise UsageError(f"{name} is {number}: give a whole number from {least}")

    def _numbers(self, name: str) -> tuple[int, ...]:
        given: int | tuple[int, ...] = getattr(self, name)
        return given if isinstance(given, tuple) else (given,)

    def per_layer(self, name: str) -> tuple[int, ...]:
        """The numbers of the field `name`, one for each of its layers (hidden layers alone for error_div)."""
        given = self._numbers(name)
        layers = len(self.hidden) + (name != "error_div")
        return given * layers if len(given) == 1 else given

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
