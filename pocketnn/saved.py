"""A network read from a weights file, with what the file says of it, ready to be evaluated on any machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pocketnn.arith import MAX_BITS
from pocketnn.data import Dataset
from pocketnn.errors import DataError
from pocketnn.machine import Machine
from pocketnn.nn import Architecture, Network
from pocketnn.train import EVALUATION_ROWS, Inputs, Progress, evaluate
from pocketnn.weights import load_weights

__all__ = ["Saved", "load_saved", "read_saved"]

_NUMBERS = re.compile(r"([1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)?")
_LARGEST_DESCRIBED = {"batch": 1 << 20, "input_shift": MAX_BITS, "input_centre": 1 << 16}


@dataclass(frozen=True, slots=True)
class Saved:
    """Parameters by name, the network they belong to, rows of a forward pass, and how inputs are divided and
    centred. certificate: of the training, as the file has it, not verified; empty if there is none."""

    parameters: Mapping[str, Any]
    architecture: Architecture
    rows: int
    input_shift: int = 0
    input_centre: int = 0
    certificate: str = field(default="", repr=False)

    def clamped(self, limit: int) -> Saved:
        """The same network with weights within +-limit."""
        parameters = {
            name: np.clip(value, -limit, limit) if name.endswith("_weight") else value
            for name, value in self.parameters.items()
        }
        return replace(self, parameters=parameters)

    def evaluate(self, m: Machine, dataset: Dataset, progress: Progress | None = None) -> int:
        """Correct predictions on the test images, computed on `m`."""
        network = Network(m, self.architecture, self.parameters)
        feed = Inputs(m, self.input_shift, self.input_centre)
        return evaluate(m, network, dataset.test, self.rows, feed, progress=progress)


def load_saved(path: Path, dataset: Dataset, activation: str | None = None) -> Saved:
    """Read weights that go with `dataset`. activation: default is what the file says, else pocket_tanh.

    Raises DataError if the file is no network, describes nonsense, or does not go with the data.
    """
    saved = read_saved(path, activation)
    dims = saved.architecture.dims
    if dims[0] != dataset.pixels or dims[-1] != dataset.classes:
        raise DataError(
            f"{path}: a network of {dims[0]} inputs and {dims[-1]} outputs, but {dataset.name} has "
            f"{dataset.pixels} pixels and {dataset.classes} classes"
        )
    return saved


def read_saved(path: Path, activation: str | None = None) -> Saved:
    """Read weights without any data. activation: default is what the file says, else pocket_tanh.

    Raises DataError if the file is no network or describes nonsense.
    """
    parameters, meta = load_weights(path)
    widths = [parameters[name].shape for name in parameters if name.endswith("_weight")]
    dims = (widths[0][0], *(columns for _, columns in widths))
    batch_norm = any(name.endswith("_gamma") for name in parameters)
    scale, activation_div = (_numbers(path, meta, name) for name in ("scale", "activation_div"))
    kind = activation or str(meta.get("activation", "pocket_tanh"))
    architecture = Architecture(dims, kind, batch_norm, scale, activation_div)
    rows = _described(path, meta, "batch", 1, 20) if batch_norm else EVALUATION_ROWS
    shift, centre = (_described(path, meta, name, 0, 0) for name in ("input_shift", "input_centre"))
    return Saved(parameters, architecture, rows, shift, centre, str(meta.get("certificate", "")))


def _described(path: Path, meta: Mapping[str, int | str], name: str, least: int, default: int) -> int:
    """A whole number that the weights file says of its network."""
    value = meta.get(name, default)
    if not isinstance(value, int) or not least <= value <= _LARGEST_DESCRIBED[name]:
        raise DataError(f"{path}: {name} is {value!r}; {least} to {_LARGEST_DESCRIBED[name]} belongs here")
    return value


def _numbers(path: Path, meta: Mapping[str, int | str], name: str) -> tuple[int, ...]:
    """Whole numbers with commas between, that the file says of its network's layers; none if it says nothing."""
    value = meta.get(name, "")
    if not isinstance(value, str) or not _NUMBERS.fullmatch(value):
        raise DataError(f"{path}: {name} is {value!r}; whole numbers from 1, with commas between, belong here")
    return tuple(int(part) for part in value.split(",")) if value else ()
