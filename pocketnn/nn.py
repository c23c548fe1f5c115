"""Layers and networks, written against Machine alone: no float, no NumPy, no knowledge of the backend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pocketnn.activations import activation
from pocketnn.arith import Role, Values
from pocketnn.conv import ImageShape
from pocketnn.conv_layer import KERNEL, ConvLayer
from pocketnn.errors import UsageError
from pocketnn.init import Rand, init_limit
from pocketnn.machine import Machine

__all__ = ["Architecture", "BatchNorm", "Dense", "Layer", "Network", "layer_names"]


def layer_names(count: int) -> list[str]:
    """The reference's layer names: fc1, fc2, ..., fcLast."""
    return [*(f"fc{i}" for i in range(1, count)), "fcLast"]


class BatchNorm:
    """Batch normalisation over the rows of a batch, in place of the bias (reference/semantics: 127 is one sigma).

    Values: gamma, beta, 1 x features. A stdev of 0 counts as 1, a variance gone negative by overflow as 0.
    """

    def __init__(self, m: Machine, gamma: object, beta: object) -> None:
        self.m = m
        self.gamma = m.load(gamma, Role.WEIGHT, at="load_gamma")
        self.beta = m.load(beta, Role.BIAS, at="load_beta")
        self.unit, self.one = m.constant(127, "unit"), m.constant(1, "one")
        self.rows: dict[int, Values] = {}
        self.standardised: Values
        self.stdev: Values

    def _count(self, x: Values) -> Values:
        """The number of rows as a constant of the program."""
        n = x.shape[0]
        if n not in self.rows:
            self.rows[n] = self.m.constant(n, "rows")
        return self.rows[n]

    def forward(self, x: Values) -> Values:
        """gamma * (127 (x - mean) / stdev) + beta, N x features."""
        m = self.m.scope("forward")
        n = self._count(x)
        mean = m.div(m.sum(x, 0, at="mean_sum"), n, at="mean_div")
        centred = m.sub(x, mean, at="centre")
        variance = m.div(m.sum(m.mul(centred, centred, at="square"), 0, at="variance_sum"), n, at="variance_div")
        self.stdev = m.max(m.isqrt(variance), self.one, at="stdev")
        self.standardised = m.div(m.mul(self.unit, centred, at="scale"), self.stdev, at="standardise")
        return m.add(m.mul(self.gamma, self.standardised, at="gamma"), self.beta, at="beta")

    def backward(self, g: Values, neg_lr_inv: Values) -> Values:
        """The delta before normalisation, from `g` after it; updates gamma and beta."""
        m = self.m.scope("backward")
        n = self._count(g)
        dgamma = m.sum(m.mul(g, self.standardised, at="dgamma_mul"), 0, at="dgamma_sum")
        dbeta = m.sum(g, 0, at="dbeta_sum")
        inner = m.add(
            m.neg(m.mul(dgamma, self.standardised, at="dgamma_term"), at="dgamma_neg"),
            m.mul(n, g, at="n_term"),
            at="inner_add",
        )
        inner = m.add(inner, m.neg(dbeta, at="dbeta_neg"), at="inner_sub")
        slope = m.div(self.gamma, self.stdev, at="slope")
        delta = m.div(m.mul(slope, inner, at="outer"), n, Role.DELTA, at="delta")
        step = m.div(dgamma, neg_lr_inv, Role.UPDATE, at="gamma_step")
        self.gamma = m.add(self.gamma, step, Role.WEIGHT, at="gamma_add")
        step = m.div(dbeta, neg_lr_inv, Role.UPDATE, at="beta_step")
        self.beta = m.add(self.beta, step, Role.BIAS, at="beta_add")
        return delta


class Dense:
    """Fully connected layer: activation(x . W + b), or activation(batchnorm(x . W)).

    parameters: `weight` (in x out) and `bias` (1 x out), integers from outside; also `gamma` and `beta` (1 x out) with
    batch normalisation. index: its place in the network, from 0. `forward` keeps what an Update needs. Training begins
    with `load_gradient`, and sets `grad_inv` after each forward pass, for `delta`.
    """

    def __init__(self, m: Machine, parameters: Mapping[str, Any], architecture: Architecture, index: int) -> None:
        self.input_role = Role.ACTIVATION if index else Role.INPUT
        self.weight = m.load(parameters["weight"], Role.WEIGHT, at="load_weight")
        self.bias = m.load(parameters["bias"], Role.BIAS, at="load_bias")
        self.fan_in, self.fan_out = self.weight.shape
        self.norm = (
            BatchNorm(m.scope("norm"), parameters["gamma"], parameters["beta"]) if architecture.batch_norm else None
        )
        scale = architecture.scale[index] if architecture.scale else 0
        self.activation = activation(m, architecture.activation, self.fan_in, scale=scale)
        divisor = architecture.input_div(index)
        self.divisor = m.constant(divisor, "input_div_by") if divisor > 1 else None
        self.m, self.m_forward, self.m_backward = m, m.scope("forward"), m.scope("backward")
        self.x: Values
        self.grad_inv: Values

    def load_gradient(self) -> None:
        """Load the constants that only training has a use for."""
        self.activation.load_gradient()

    def forward(self, x: Values) -> Values:
        """Activations, N x out, from inputs, N x in."""
        m = self.m_forward
        self.x = x if self.divisor is None else m.div(x, self.divisor, self.input_role, at="input_div")
        sums = m.mac(self.x, self.weight)
        sums = self.norm.forward(sums) if self.norm else m.add(sums, self.bias)
        return self.activation(sums)

    def delta(self, error: Values, neg_lr_inv: Values) -> Values:
        """The layer's delta, N x out: `error` times the local slope, through batch normalisation where there is one."""
        g = self.m_backward.div(error, self.grad_inv, Role.DELTA)
        return self.norm.backward(g, neg_lr_inv) if self.norm else g


Layer = Dense | ConvLayer


_MOST_WEIGHTS = 1 << 26  # of one layer: half a gigabyte in NumPy, and beyond any microcontroller


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a network is: layer sizes from input to output, one activation for all layers, batch normalisation.

    conv: filters of each convolution layer, which come first; their sizes in dims are those after pooling.
    scale: what each layer's sums are divided by before the activation; empty: as the activation says.
    activation_div: what the activations of each hidden layer are divided by before the next; empty: by nothing.
    """

    dims: tuple[int, ...]
    activation: str = "pocket_tanh"
    batch_norm: bool = False
    scale: tuple[int, ...] = ()
    activation_div: tuple[int, ...] = ()
    conv: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.dims) < 2 or any(n < 1 for n in self.dims):
            raise UsageError(f"layer sizes are {self.dims}: at least an input and an output, all 1 or more")
        for name, count in (("scale", len(self.dims) - 1), ("activation_div", len(self.dims) - 2)):
            numbers = getattr(self, name)
            if len(numbers) not in (0, count) or any(number < 1 for number in numbers):
                raise UsageError(f"{name} is {numbers}: give {count} whole numbers from 1, or none")
        for name, (rows, columns) in zip(self.names, self.weight_shapes, strict=True):
            if rows * columns > _MOST_WEIGHTS:
                raise UsageError(
                    f"{name} would have {rows} x {columns} weights; a layer can have at most {_MOST_WEIGHTS:,}: "
                    "make it or the one before it smaller"
                )

    @property
    def names(self) -> list[str]:
        """The layers' names: conv1, conv2, ..., then those of dense layers."""
        count = len(self.conv)
        return [*(f"conv{i + 1}" for i in range(count)), *layer_names(len(self.dims) - 1 - count)]

    @property
    def weight_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of each layer's weights: inputs of a unit by units, or depth of a filter by filters."""
        pairs = list(pairwise(self.dims))
        filters = [(self.image(i).channels * KERNEL * KERNEL, count) for i, count in enumerate(self.conv)]
        return [*filters, *pairs[len(filters) :]]

    def image(self, index: int) -> ImageShape:
        """What convolution layer `index`, from 0, is given."""
        channels = self.conv[index - 1] if index else 1
        side = math.isqrt(self.dims[index] // channels)
        return ImageShape(channels, side, side)

    def input_div(self, index: int) -> int:
        """What layer `index`, from 0, divides its inputs by."""
        return self.activation_div[index - 1] if index and self.activation_div else 1

    def zeros(self) -> dict[str, Any]:
        """Initial parameters by name, weights and biases all zero."""
        return self._initial(lambda i, rows, columns: [[0] * columns for _ in range(rows)])

    def drawn(self, rand: Rand, limits: Sequence[int] = ()) -> dict[str, Any]:
        """Initial parameters by name: weights then biases, layer by layer, without 0, from -limit..limit.

        limits: one for each layer; without them the reference's He-like ranges.
        """
        limits = limits or [init_limit(n, m) for n, m in self.weight_shapes]
        return self._initial(lambda i, rows, columns: rand.nonzero(limits[i], rows, columns))

    def _initial(self, matrix: Callable[[int, int, int], list[list[int]]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for i, (name, (n, m)) in enumerate(zip(self.names, self.weight_shapes, strict=True)):
            result[f"{name}_weight"], result[f"{name}_bias"] = matrix(i, n, m), matrix(i, 1, m)
            if self.batch_norm:
                result[f"{name}_gamma"], result[f"{name}_beta"] = [[1] * m], [[0] * m]
        return result


class Network:
    """Layers in a row. parameters: integers by name, as `Architecture.initial` makes or weights files hold."""

    def __init__(self, m: Machine, architecture: Architecture, parameters: Mapping[str, Any]) -> None:
        self.architecture = architecture
        self.m = m
        self.layers: list[Layer] = []
        for index, name in enumerate(architecture.names):
            own = {key.split("_", 1)[1]: value for key, value in parameters.items() if key.startswith(f"{name}_")}
            self.layers.append(_layer(m.scope(name), own, architecture, index))

    def forward(self, x: Values) -> Values:
        """Outputs, N x classes, from inputs, N x features."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def predict(self, outputs: Values) -> Values:
        """Predicted class of each row: the lowest index among the maxima."""
        return self.m.argmax(outputs, at="predict")

    def parameters(self) -> dict[str, Any]:
        """The current parameters as int64 arrays, by name."""
        result: dict[str, Any] = {}
        for name, layer in zip(self.architecture.names, self.layers, strict=True):
            result[f"{name}_weight"], result[f"{name}_bias"] = layer.weight.ints(), layer.bias.ints()
            if layer.norm:
                result[f"{name}_gamma"], result[f"{name}_beta"] = (
                    layer.norm.gamma.ints(),
                    layer.norm.beta.ints(),
                )
        return result


def _layer(m: Machine, parameters: Mapping[str, Any], architecture: Architecture, index: int) -> Layer:
    if index >= len(architecture.conv):
        return Dense(m, parameters, architecture, index)
    scale = architecture.scale[index] if architecture.scale else 0
    role = Role.ACTIVATION if index else Role.INPUT
    return ConvLayer(m, architecture.image(index), parameters, architecture.activation, scale, role)
