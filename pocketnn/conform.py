"""Conformance: recompute a file of reference vectors and name the first number that differs.

The file is a JSON list of cases: `rand` (seed, values), `activation` (name, k, num_items, x, y, grad_inv), `train`
(a small network and what every step must leave behind) and `conv_forward`. Numbers are 32-bit, wrapping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pocketnn.activations import activation
from pocketnn.arith import INT32, Backend, Overflow, Reference, Role, Values, Vector, as_integers, fit
from pocketnn.conv import Conv2d, ImageShape
from pocketnn.dfa import Learner
from pocketnn.errors import DataError, PocketNNError
from pocketnn.init import Rand
from pocketnn.machine import Machine
from pocketnn.nn import Architecture, Network, layer_names
from pocketnn.outside import check_shape, read_json
from pocketnn.recipe import ALGORITHMS, Recipe

__all__ = ["BACKENDS", "CaseResult", "conform"]

BACKENDS: dict[str, Callable[[], Backend]] = {"reference": Reference, "vector": Vector}
_LARGEST = 256 << 20  # bytes; reference vectors are text for people, not bulk data

_MATRIX = [[int]]
_STEP = {"x": _MATRIX, "target": _MATRIX, "output": _MATRIX, "loss": int, "loss_delta_sum": int, "deltas": [_MATRIX]}
_SHAPES: dict[str, Any] = {
    "rand": {"seed": range(2**31), "values": [int]},
    "activation": {
        "name": str,
        "num_items": range(1, 2**31 + 1),
        "k": range(32),
        "x": _MATRIX,
        "y": _MATRIX,
        "grad_inv": _MATRIX,
    },
    "train": {
        "dims": [range(1, 2**31)],
        "activation": str,
        "algorithm": frozenset(ALGORITHMS),
        "batch_norm": bool,
        "lr_inv": range(1, 2**31),
        "weights0": [_MATRIX],
        "biases0": [_MATRIX],
        "feedback": [(None, _MATRIX)],
        "steps": [_STEP | {"weights": [_MATRIX], "biases": [_MATRIX]}],
    },
    "conv_forward": {
        "padding": int,
        "stride": int,
        "pool": [int],
        "activation": str,
        "image": [_MATRIX],
        "filters": [[_MATRIX]],
        "bias": _MATRIX,
        "pre_activation": [_MATRIX],
        "output": [_MATRIX],
    },
}
"""Shape of each kind of case; see `outside.check_shape`."""
_FIELDS = {"weights": "weight", "biases": "bias", "gammas": "gamma", "betas": "beta"}

Checks = Iterator[tuple[str, object, object]]
"""Pairs to compare: what it is, the file's numbers, ours."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case on one backend. difference: the first number that differs, in words; None if all are equal."""

    index: int
    name: str
    backend: str
    numbers: int
    difference: str | None


def conform(path: Path, backends: tuple[str, ...] = tuple(BACKENDS)) -> Iterator[CaseResult]:
    """Run every case of the file at `path` on each backend, in order.

    Raises DataError for a file that is not such a list: not JSON, an unknown case, a missing or non-integer field.
    """
    cases = read_json(path, _LARGEST)
    if not isinstance(cases, list) or not cases:
        raise DataError(f"{path}: a non-empty list of cases belongs here, found {type(cases).__name__}")
    for index, case in enumerate(cases):
        where = f"{path}: case {index}"
        check_shape(case, {"case": frozenset(_CASES)}, where)
        check_shape(case, _SHAPES[case["case"]], where)
        name = " ".join(str(case[key]) for key in ("case", "label", "name", "k", "num_items", "seed") if key in case)
        for backend in backends if case["case"] != "rand" else ("reference",):
            try:
                numbers, difference = _compare(_CASES[case["case"]](case, Machine(BACKENDS[backend]())))
            except KeyError as error:
                raise DataError(f"{where} ({name}): field {error} is missing") from error
            except (PocketNNError, TypeError, IndexError, ValueError) as error:
                raise DataError(f"{where} ({name}): {error}") from error
            yield CaseResult(index, name, backend, numbers, difference)


def _compare(checks: Checks) -> tuple[int, str | None]:
    """How many numbers were compared, and the first difference."""
    numbers = 0
    for what, theirs, ours in checks:
        expected = as_integers(theirs)
        actual = ours.ints() if hasattr(ours, "ints") else as_integers(ours)
        if what.endswith("grad_inv"):
            actual = np.broadcast_to(actual, expected.shape)  # one value where the slope is the same everywhere
        if expected.shape != actual.shape:
            return numbers, f"{what}: the file has shape {expected.shape}, computed was {actual.shape}"
        numbers += expected.size
        if not np.array_equal(expected, actual):
            index = tuple(int(i) for i in np.argwhere(expected != actual)[0])
            place = "".join(f"[{i}]" for i in index)
            return numbers, f"{what}{place}: the file says {expected[index]}, computed is {actual[index]}"
    return numbers, None


def _whole(case: dict[str, Any], key: str, least: int, most: int) -> int:
    value: int = case[key]
    if not least <= value <= most:
        raise DataError(f"{key} is {value!r}; a whole number from {least} to {most} belongs here")
    return value


def _rand(case: dict[str, Any], m: Machine) -> Checks:
    rand = Rand(case["seed"])
    yield "values", case["values"], [rand.draw() for _ in case["values"]]


def _activation(case: dict[str, Any], m: Machine) -> Checks:
    function = activation(m, case["name"], case["num_items"], case["k"])
    function.load_gradient()
    yield "y", case["y"], function(m.load(case["x"], Role.ACCUMULATOR))
    yield "grad_inv", case["grad_inv"], function.grad_inv()


def _train(case: dict[str, Any], m: Machine) -> Checks:
    dims = tuple(case["dims"])
    architecture = Architecture(dims, case["activation"], case["batch_norm"])
    parameters: dict[str, Any] = {}
    names = layer_names(len(dims) - 1)
    for name, n, m_out, weight, bias in zip(names, dims, dims[1:], case["weights0"], case["biases0"], strict=False):
        for kind, values, shape in (("weight", weight, (n, m_out)), ("bias", bias, (1, m_out))):
            if np.shape(values) != shape:
                raise DataError(f"initial {name}_{kind} has shape {np.shape(values)}; dims {dims} ask for {shape}")
            parameters[f"{name}_{kind}"] = values
        if architecture.batch_norm:
            parameters[f"{name}_gamma"], parameters[f"{name}_beta"] = np.ones_like(bias), np.zeros_like(bias)
    network = Network(m, architecture, parameters)
    recipe = Recipe(dims[1:-1], algorithm=case["algorithm"], lr_inv=case["lr_inv"])
    learner = Learner(m, network, recipe, case["feedback"])
    for number, step in enumerate(case["steps"]):
        done = learner.step(m.load(step["x"], Role.INPUT, "x"), m.load(step["target"], Role.CONSTANT, "target"))
        yield f"step {number} output", step["output"], done.outputs
        yield f"step {number} loss", step["loss"], int(done.loss.ints()[0, 0])
        total = fit(int(done.loss_delta.ints().sum()), INT32, Overflow.WRAP)
        yield f"step {number} loss_delta_sum", step["loss_delta_sum"], total
        after = network.parameters()
        lists: dict[str, list[Any]] = {"deltas": list(done.deltas)}
        for field, kind in _FIELDS.items():
            lists[field] = [after[f"{name}_{kind}"] for name in names if f"{name}_{kind}" in after]
        for field, values in lists.items():
            if values:
                for i, (theirs, ours) in enumerate(zip(step[field], values, strict=True)):
                    yield f"step {number} {field}[{i}]", theirs, ours


def _conv_forward(case: dict[str, Any], m: Machine) -> Checks:
    image = as_integers(case["image"])
    if image.ndim != 3:
        raise DataError(f"the image has shape {image.shape}; channels x rows x columns belong here")
    shape = ImageShape(*image.shape)
    pool = dict(zip(("rows", "columns"), case["pool"], strict=True))
    conv = Conv2d(
        m,
        shape,
        case["filters"],
        case["bias"],
        case["activation"],
        _whole(case, "padding", 0, max(image.shape)),
        _whole(case, "stride", 1, max(image.shape)),
        (_whole(pool, "rows", 1, max(image.shape)), _whole(pool, "columns", 1, max(image.shape))),
    )
    sums: Values = conv.sums(m.load(image.reshape(1, -1), Role.INPUT))
    maps, pooled = conv.maps, conv.pooled
    yield "pre_activation", case["pre_activation"], sums.ints().T.reshape(maps.channels, maps.height, maps.width)
    output = conv.pool(sums).ints()
    yield "output", case["output"], output.reshape(pooled.channels, pooled.height, pooled.width)


_CASES: dict[str, Callable[[dict[str, Any], Machine], Checks]] = {
    "rand": _rand,
    "activation": _activation,
    "train": _train,
    "conv_forward": _conv_forward,
}
