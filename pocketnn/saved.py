"""A network as a weights file holds it, with the recipe that it was trained by: written, and read to be used again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pocketnn.data import Dataset
from pocketnn.errors import DataError, UsageError
from pocketnn.machine import Machine
from pocketnn.nn import Architecture, Network
from pocketnn.recipe import Recipe
from pocketnn.train import EVALUATION_ROWS, Inputs, Progress, Run, architecture_of, evaluate
from pocketnn.weights import load_weights, save_weights

__all__ = ["Saved", "load_saved", "read_saved", "save"]

_NUMBERS = re.compile(r"([1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)?", re.ASCII)
_ONCE_SAID = ("activation", "batch", "input_shift", "input_centre", "scale", "activation_div")
_ONCE_LISTED = ("scale", "activation_div")


@dataclass(frozen=True, slots=True)
class Saved:
    """Parameters by name, and the recipe that they were trained by: what the network is, and how its training goes on.

    described: whether the file says that recipe. Where it does not, the recipe is the reference's but for what the file
    says of the network. samples: how many images were trained on, of which the feedback matrices' drawing depends; 0
    if the file does not say. certificate: of the training, as the file has it, not verified; empty if there is none.
    """

    parameters: Mapping[str, Any]
    recipe: Recipe
    described: bool = True
    samples: int = 0
    certificate: str = field(default="", repr=False)

    @property
    def dims(self) -> tuple[int, ...]:
        """Layer sizes from input to output, as the parameters have them."""
        shapes = [np.shape(value) for name, value in self.parameters.items() if name.endswith("_weight")]
        return (shapes[0][0], *(columns for _, columns in shapes))

    @property
    def architecture(self) -> Architecture:
        """The network."""
        return architecture_of(self.recipe, self.dims[0], self.dims[-1])

    @property
    def rows(self) -> int:
        """Rows of a forward pass: a batch where the network normalises over it."""
        return self.recipe.batch if self.recipe.batch_norm else EVALUATION_ROWS

    def feed(self, m: Machine) -> Inputs:
        """How images enter the network on `m`."""
        return Inputs(m, self.recipe.input_shift, self.recipe.input_centre)

    def network(self, m: Machine) -> Network:
        """The network on `m`."""
        return Network(m, self.architecture, self.parameters)

    def changed(self, **fields: Any) -> Saved:
        """The same parameters with these fields of the recipe in place of their own. Raises UsageError for nonsense."""
        return replace(self, recipe=replace(self.recipe, **fields))

    def clamped(self, limit: int) -> Saved:
        """The same network with weights within +-limit."""
        parameters = {
            name: np.clip(value, -limit, limit) if name.endswith("_weight") else value
            for name, value in self.parameters.items()
        }
        return replace(self, parameters=parameters)

    def evaluate(self, m: Machine, dataset: Dataset, progress: Progress | None = None) -> int:
        """Correct predictions on the test images, computed on `m`."""
        return evaluate(m, self.network(m), dataset.test, self.rows, self.feed(m), progress=progress)


def save(path: Path, run: Run, recipe: Recipe, certificate: str = "") -> None:
    """Write what a run by `recipe` left, to be read by `read_saved`.

    certificate: of the training, if there is one. Raises as `save_weights` does.
    """
    meta: dict[str, int | str] = {"recipe": json.dumps(asdict(recipe)), "samples": run.train_total}
    if certificate:
        meta["certificate"] = certificate
    save_weights(path, run.network.parameters(), meta)


def load_saved(path: Path, dataset: Dataset, activation: str | None = None) -> Saved:
    """Read weights that go with `dataset`. activation: default is what the file says, else pocket_tanh.

    Raises DataError if the file is no network, describes nonsense, or does not go with the data.
    """
    saved = read_saved(path, activation)
    dims = saved.dims
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
    described = "recipe" in meta
    hidden = [np.shape(value)[1] for name, value in parameters.items() if name.endswith("_weight")][:-1]
    norm = any(name.endswith("_gamma") for name in parameters)
    shape = {"hidden": hidden, "batch_norm": norm, "conv": []}
    try:
        said = json.loads(str(meta["recipe"])) if described else {**_once_said(meta), **shape}
        recipe = Recipe.of_data(said)
        if any(said[name] != value for name, value in shape.items()):
            raise UsageError(f"it is of another network; the matrices have {shape}")
        samples = meta.get("samples", 0)
        if not isinstance(samples, int) or samples < 0:
            raise UsageError(f"samples is {samples!r}: a whole number from 0 belongs here")
        found = Saved(parameters, recipe, described, samples, str(meta.get("certificate", "")))
        return found.changed(activation=activation) if activation else found
    except (UsageError, ValueError, LookupError, RecursionError) as error:
        raise DataError(f"{path}: the description of the network: {error}") from error


def _once_said(meta: Mapping[str, int | str]) -> dict[str, object]:
    """Fields of the recipe, from files written before they held all of it. Raises UsageError for nonsense."""
    said: dict[str, object] = {name: meta[name] for name in _ONCE_SAID if name in meta}
    for name in _ONCE_LISTED:
        text = said.pop(name, "")
        if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
            raise UsageError(f"{name} is {text!r}; whole numbers from 1, with commas between, belong here")
        if text:
            said[name] = [int(part) for part in text.split(",")]
    return said
