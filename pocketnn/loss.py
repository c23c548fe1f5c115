"""L2 loss and the targets it is measured against."""

from __future__ import annotations

from pocketnn.arith import Role, Values
from pocketnn.machine import Machine

__all__ = ["TARGET", "L2Loss"]

TARGET = 15  # target of the true class; all others are 0 (PocketNN reference)


class L2Loss:
    """Sum over samples and classes of (y - target)^2 / 2, each term divided by itself, truncating."""

    def __init__(self, m: Machine) -> None:
        self.m = m.scope("loss")
        self.two = self.m.constant(2, "two")
        self.zero = self.m.load([[0]], Role.LOSS, at="zero")

    def __call__(self, outputs: Values, targets: Values) -> tuple[Values, Values]:
        """The batch loss (1 x 1) and the loss delta y - target (N x classes)."""
        m = self.m
        delta = m.sub(outputs, targets, Role.DELTA)
        terms = m.div(m.mul(delta, delta, Role.LOSS), self.two, Role.LOSS)
        return m.sum(m.sum(terms, 1, Role.LOSS, at="row_sum"), 0, Role.LOSS, at="batch_sum"), delta

    def accumulate(self, total: Values, loss: Values) -> Values:
        """The epoch's loss register after one more batch."""
        return self.m.add(total, loss, Role.LOSS, at="epoch_add")
