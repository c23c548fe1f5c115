"""Training steps: Direct Feedback Alignment (Nokland, arXiv 1609.01596) and back-propagation, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pocketnn.arith import Role, Values
from pocketnn.init import Rand, init_limit
from pocketnn.loss import L2Loss
from pocketnn.machine import Machine
from pocketnn.nn import Layer, Network
from pocketnn.recipe import Recipe
from pocketnn.update import Rate, Update

__all__ = ["Learner", "Step", "draw_feedback"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step computed: outputs (N x classes), loss (1 x 1), loss delta, deltas first layer first."""

    outputs: Values
    loss: Values
    loss_delta: Values
    deltas: tuple[Values, ...]


def draw_feedback(dims: Sequence[int], rand: Rand, limits: Sequence[int] = ()) -> list[list[list[int]]]:
    """Feedback matrices (classes x out) of the hidden layers, first layer first, each with its layer's own range.

    Drawn last hidden layer first, as the reference does at its first backward pass. limits: the ranges, one for each
    hidden layer; without them the reference's He-like ones.
    """
    limits = limits or [init_limit(n, m) for n, m in pairwise(dims[:-1])]
    drawn = [rand.nonzero(limits[i], dims[-1], dims[i + 1]) for i in reversed(range(len(limits)))]
    return drawn[::-1]


class Learner:
    """Trains a network as a recipe says, with learning rate 1 / lr_inv and L2 loss.

    feedback: one matrix (classes x out) per hidden layer for DFA, or a Rand to draw them from at the first step.
    Hidden layers with batch normalisation back-propagate even under DFA (as the reference does).
    """

    def __init__(
        self,
        m: Machine,
        network: Network,
        recipe: Recipe,
        feedback: Sequence[object] | Rand,
    ) -> None:
        self.m = m
        self.network = network
        self.recipe = recipe
        for layer in network.layers:
            layer.load_gradient()
        self.loss = L2Loss(
            m, recipe.target_on if recipe.one_sided else None, recipe.error_limit, recipe.loss_div, recipe.loss_limit
        )
        limits = recipe.per_layer("weight_limit")
        self.updates = [Update(*pair, recipe.carry) for pair in zip(network.layers, limits, strict=True)]
        self.set_lr_inv(recipe.rates(1))
        self.gain = m.constant(recipe.gain, "gain") if recipe.gain > 1 else None
        self._source = feedback
        self.feedback: list[Values] | None = None
        self._scopes = [layer.m_backward for layer in network.layers]
        self.error_div = [
            scope.constant(divisor, "error_div_by") if divisor > 1 else None
            for scope, divisor in zip(self._scopes, recipe.per_layer("error_div"), strict=False)
        ]
        self.error_limits = m.limits(recipe.error_limit, "error") if recipe.error_limit else None

    def set_lr_inv(self, lr_inv: Sequence[int]) -> None:
        """Change the learning rate to 1 / lr_inv: one for all layers, or one for each. Loads the constants."""
        if len(lr_inv) == 1:
            self.rates = [self._rate(self.m, lr_inv[0])] * len(self.network.layers)
        else:
            self.rates = [self._rate(layer.m, value) for layer, value in zip(self.network.layers, lr_inv, strict=True)]

    def _rate(self, m: Machine, lr_inv: int) -> Rate:
        part = self.recipe.carry_div
        if not part:
            return Rate(m.constant(-lr_inv, "neg_lr_inv"))
        return Rate(m.constant(-part, "neg_carry_div"), m.constant(lr_inv // part, "first_div_by"))

    def step(self, x: Values, targets: Values) -> Step:
        """One step on a batch: forward, loss, then layers from the last to the first: delta, update."""
        layers = self.network.layers
        outputs = x
        for layer in layers:
            outputs = layer.forward(outputs)
            layer.grad_inv = layer.activation.grad_inv()
        loss, loss_delta = self.loss(outputs, targets)
        back = loss_delta if self.gain is None else self.m.mul(loss_delta, self.gain, Role.DELTA, at="gain_mul")
        if self.feedback is None and self.recipe.algorithm == "dfa":
            self.feedback = self._load_feedback()
        deltas: list[Values] = []
        for i in reversed(range(len(layers))):
            error = back if i == len(layers) - 1 else self._error(i, back, deltas[-1])
            deltas.append(layers[i].delta(error, self.rates[i].last))
            self.updates[i](deltas[-1], self.rates[i])
        return Step(outputs, loss, loss_delta, tuple(reversed(deltas)))

    def _error(self, i: int, back: Values, delta_next: Values) -> Values:
        """The error that reaches hidden layer i: (W_next delta_next^T)^T, or `back` times its feedback matrix."""
        m = self._scopes[i]
        following: Layer = self.network.layers[i + 1]
        if self.feedback is None or self.network.layers[i].norm:
            columns = m.transpose(delta_next, (1, 0), Role.DELTA, at="transpose_delta")
            error = m.transpose(m.mac(following.weight, columns), (1, 0), at="transpose_error")
        else:
            error = m.mac(back, self.feedback[i])
        divisor = self.error_div[i]
        if divisor is not None:
            error = m.div(error, divisor, at="error_div")
        return m.clamp(error, *self.error_limits, Role.DELTA, at="clamp_error") if self.error_limits else error

    def _load_feedback(self) -> list[Values]:
        source = self._source
        if isinstance(source, Rand):
            limits = self.recipe.per_layer("feedback_limit")
            source = draw_feedback(self.network.architecture.dims, source, limits)
        return [
            scope.load(matrix, Role.FEEDBACK, at="load_feedback")
            for scope, matrix in zip(self._scopes, source, strict=False)
        ]
