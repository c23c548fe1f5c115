"""Training steps: Direct Feedback Alignment (Nokland, arXiv 1609.01596) and back-propagation, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pocketnn.arith import Role, Values
from pocketnn.errors import UsageError
from pocketnn.init import Rand, init_limit
from pocketnn.loss import L2Loss
from pocketnn.machine import Machine
from pocketnn.nn import Dense, Network

__all__ = ["ALGORITHMS", "Learner", "Step", "draw_feedback"]

ALGORITHMS = ("dfa", "bp")


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step computed: outputs (N x classes), loss (1 x 1), loss delta, deltas first layer first."""

    outputs: Values
    loss: Values
    loss_delta: Values
    deltas: tuple[Values, ...]


def draw_feedback(dims: Sequence[int], rand: Rand) -> list[list[list[int]]]:
    """Feedback matrices (classes x out) of the hidden layers, first layer first, each with its layer's own range.

    Drawn last hidden layer first, as the reference does at its first backward pass.
    """
    drawn = [
        rand.nonzero(init_limit(dims[i], dims[i + 1]), dims[-1], dims[i + 1]) for i in reversed(range(len(dims) - 2))
    ]
    return drawn[::-1]


class Learner:
    """Trains a network by `algorithm` ("dfa" or "bp") with learning rate 1 / lr_inv and L2 loss.

    feedback: one matrix (classes x out) per hidden layer for DFA, or a Rand to draw them from at the first step.
    Hidden layers with batch normalisation back-propagate even under DFA (as the reference does).
    """

    def __init__(
        self,
        m: Machine,
        network: Network,
        algorithm: str,
        lr_inv: int,
        feedback: Sequence[object] | Rand,
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise UsageError(f"algorithm {algorithm!r} does not exist; there are {' and '.join(ALGORITHMS)}")
        self.m = m
        self.network = network
        self.algorithm = algorithm
        self.loss = L2Loss(m)
        self.set_lr_inv(lr_inv)
        self._source = feedback
        self.feedback: list[Values] | None = None
        self._scopes = [layer.m_backward for layer in network.layers]

    def set_lr_inv(self, lr_inv: int) -> None:
        """Change the learning rate to 1 / lr_inv; the constant -lr_inv is loaded once."""
        if lr_inv < 1:
            raise UsageError(f"lr_inv is {lr_inv}: the inverse learning rate is a whole number from 1")
        self.neg_lr_inv = self.m.constant(-lr_inv, "neg_lr_inv")

    def step(self, x: Values, targets: Values) -> Step:
        """One step on a batch: forward, loss, then layers from the last to the first: delta, update."""
        layers = self.network.layers
        outputs = self.network.forward(x)
        loss, loss_delta = self.loss(outputs, targets)
        if self.feedback is None and self.algorithm == "dfa":
            self.feedback = self._load_feedback()
        deltas: list[Values] = []
        for i in reversed(range(len(layers))):
            error = loss_delta if i == len(layers) - 1 else self._error(i, loss_delta, deltas[-1])
            deltas.append(layers[i].delta(error, self.neg_lr_inv))
            layers[i].update(deltas[-1], self.neg_lr_inv)
        return Step(outputs, loss, loss_delta, tuple(reversed(deltas)))

    def _error(self, i: int, loss_delta: Values, delta_next: Values) -> Values:
        """The error that reaches hidden layer i: (W_next delta_next^T)^T, or loss_delta times its feedback matrix."""
        m = self._scopes[i]
        following: Dense = self.network.layers[i + 1]
        if self.feedback is None or self.network.layers[i].norm:
            columns = m.transpose(delta_next, (1, 0), Role.DELTA, at="transpose_delta")
            return m.transpose(m.mac(following.weight, columns), (1, 0), at="transpose_error")
        return m.mac(loss_delta, self.feedback[i])

    def _load_feedback(self) -> list[Values]:
        source = self._source
        if isinstance(source, Rand):
            source = draw_feedback(self.network.architecture.dims, source)
        return [
            scope.load(matrix, Role.FEEDBACK, at="load_feedback")
            for scope, matrix in zip(self._scopes, source, strict=False)
        ]
