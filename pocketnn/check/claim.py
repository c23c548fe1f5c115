"""What a certificate claims to be about: a network, and the inference or the training of it. Read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["Claim"]

_COMMON = {
    "dims": list, "inputs": list, "activation": str, "batch_norm": bool, "input_shift": int, "input_centre": int,
    "scale": tuple, "activation_div": tuple,
}  # fmt: skip
_INFERENCE = {**_COMMON, "rows": object}
_TRAINING = {
    **_COMMON, "algorithm": str, "batch": int, "carry": bool, "carry_div": int, "conv": tuple, "epochs": int,
    "error_div": tuple, "error_limit": int, "feedback_limit": tuple, "gain": int, "init": tuple, "jitter": int,
    "loss_div": int, "loss_limit": int, "lr_doubling": int, "lr_inv": tuple, "one_sided": bool, "rates": list,
    "samples": int, "schedule": str, "target_off": int, "target_on": int, "weight_limit": tuple,
}  # fmt: skip
_MOST = {"dims": 1 << 16, "layers": 64, "classes": 1 << 10}  # of what is looked into
_HE_LIKE = 12 * 32767  # the reference's range of random values is the root of this over inputs and outputs


class Claim:
    """The claim of a certificate of `kind`.

    dims: layer sizes. names: of the layers. lo, hi: pixels. rows: of a batch. Whatever else the claim says is read by
    its name with `number`, `flag`, `text`, or with `layers` and `hidden`, which give one number each.
    Raises ValueError for a claim that says too much, too little, or what the checker does not know.
    """

    def __init__(self, kind: str, said: Mapping[str, Any]) -> None:
        fields: Mapping[str, Any] = _TRAINING if kind == "training" else _INFERENCE
        for name in sorted({*said, *fields}):
            if name not in fields or name not in said:
                raise ValueError(f"the claim {'has no' if name in fields else 'has an unknown field'} {name}")
            if not _fits(said[name], fields[name]):
                raise ValueError(f"the claim has {name} {str(said[name])[:40]}")
        self.training = kind == "training"
        self._said = said
        self.dims = said["dims"]
        if not 2 <= len(self.dims) <= _MOST["layers"] or not all(0 < n <= _MOST["dims"] for n in self.dims):
            raise ValueError(f"the claim has layers {str(self.dims)[:40]}")
        self.pixels, self.classes = self.dims[0], self.dims[-1]
        if self.classes > _MOST["classes"]:
            raise ValueError(f"the claim has {self.classes} classes, more than are looked into")
        self.names = [*(f"fc{i + 1}" for i in range(len(self.dims) - 2)), "fcLast"]
        self.lo, self.hi = said["inputs"]
        norm = said["batch_norm"]
        self.rows = said["batch"] if self.training else said["rows"] if norm else 1
        if type(self.rows) is not int or self.rows < 1 or (not self.training and not norm and said["rows"] is not None):
            raise ValueError("the claim has no number of rows")
        if self.training:
            self._check_training()

    def _check_training(self) -> None:
        if self._said["conv"]:
            raise ValueError("the claim has convolution layers, which the checker does not know")
        if self.text("algorithm") not in ("dfa", "bp") or self.text("schedule") not in ("doubling", "linear"):
            raise ValueError(f"the claim has algorithm {self.text('algorithm')}, schedule {self.text('schedule')}")
        least = min(self.number(name) for name in ("batch", "gain", "loss_div", "lr_doubling"))
        if least < 1 or not 0 <= self.number("epochs") <= 1 << 20 or self.number("samples") < 0:
            raise ValueError("the claim has a number that makes no sense")
        if self._said["rates"] != [list(pair) for pair in self.rates()]:
            raise ValueError(f"the claim has rates {self._said['rates']}, its schedule goes from {self.rates()}")

    # --- fields --------------------------------------------------------------------------------------------------

    def number(self, name: str) -> int:
        """A number of the claim."""
        return int(self._said[name])

    def flag(self, name: str) -> bool:
        """Whether the claim says so."""
        return bool(self._said[name])

    def text(self, name: str) -> str:
        """A word of the claim."""
        return str(self._said[name])

    def layers(self, name: str) -> list[int]:
        """One number for each layer; none if the claim leaves them to the network."""
        return self._numbers(name, len(self.dims) - 1)

    def hidden(self, name: str) -> list[int]:
        """One number for each hidden layer; none if the claim leaves them to the network."""
        return self._numbers(name, len(self.dims) - 2)

    def _numbers(self, name: str, count: int) -> list[int]:
        given = self._said[name]
        numbers = given if isinstance(given, list) else [given]
        numbers = numbers * count if len(numbers) == 1 else numbers
        if len(numbers) not in (0, count) or any(number < 1 for number in numbers):
            raise ValueError(f"the claim has {name} {str(given)[:40]} for {count} layers")
        return numbers

    # --- what follows from them ------------------------------------------------------------------------------------

    def rates(self) -> list[tuple[int, int]]:
        """The inverse learning rate in the first and in the last epoch: one for all layers, or one each."""
        last = max(self.number("epochs"), 1)
        given = self._said["lr_inv"]
        numbers = given if isinstance(given, list) else [given]
        if len(numbers) > 1:
            self.layers("lr_inv")
        if self.text("schedule") == "linear":
            return [(n, n * last) for n in numbers]
        period = self.number("lr_doubling")
        return [(n << 1 // period, n << last // period) for n in numbers]

    def drawn(self, layer: int) -> int:
        """How far random values of a layer reach where nothing is said of them."""
        return math.isqrt(_HE_LIKE // (self.dims[layer] + self.dims[layer + 1]))

    def before(self, layer: int) -> int:
        """How far a weight or bias of a layer can be from 0 before any step: within its limit, or as it was drawn."""
        limit, init = self.layers("weight_limit")[layer], self.layers("init")
        if not init and self.text("algorithm") == "dfa":
            return limit
        return max(limit, init[layer] if init else self.drawn(layer))

    def feedback(self, layer: int) -> int:
        """How far the values of a hidden layer's feedback matrix reach."""
        given = self.hidden("feedback_limit")
        return given[layer] if given else self.drawn(layer)

    def earlier_losses(self, step: int) -> int:
        """How much the sum of an epoch's losses can be before any of its steps, if one step loses at most `step`.

        Before the last step at most samples - batch images have been seen, in batches of which each lost that.
        """
        earlier = step * max(self.number("samples") - self.rows, 0) // self.rows
        limit = self.number("loss_limit")
        return min(earlier, limit) if limit else earlier


def _fits(value: Any, kind: Any) -> bool:
    """Whether a field holds what belongs there; `tuple`: a number, or a list of numbers."""
    if kind is list:
        return type(value) is list
    if kind is tuple:
        return type(value) is int or (type(value) is list and all(type(item) is int for item in value))
    return kind is object or type(value) is kind
