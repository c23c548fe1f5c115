"""L2 loss, two-sided or one-sided."""

from __future__ import annotations

from pocketnn.arith import Role, Values
from pocketnn.machine import Machine

__all__ = ["L2Loss"]


class L2Loss:
    """Sum over samples and classes of (y - target)^2 / 2, each term divided by itself, truncating.

    one_sided_at: the target of the true class, if an output beyond its target is to be no error: above it for the true
    class, below it for any other (the squared hinge loss).
    """

    def __init__(self, m: Machine, one_sided_at: int | None = None) -> None:
        self.m = m.scope("loss")
        self.two = self.m.constant(2, "two")
        self.one_sided = one_sided_at is not None
        if one_sided_at is not None:
            self.zero_error = self.m.constant(0, "zero_error")
            self.on, self.signs = self.m.constant([one_sided_at], "on"), self.m.constant([1, -1], "signs")
        self.zero = self.m.load([[0]], Role.LOSS, at="zero")

    def __call__(self, outputs: Values, targets: Values) -> tuple[Values, Values]:
        """The batch loss (1 x 1) and the loss delta y - target (N x classes), 0 for outputs that are no error."""
        m = self.m
        delta = m.sub(outputs, targets, Role.DELTA)
        if self.one_sided:
            sign = m.select(targets, self.on, self.signs, Role.CONSTANT, at="select_sign")
            wrong = m.max(m.mul(sign, delta, Role.DELTA, at="sign"), self.zero_error, Role.DELTA, at="one_sided")
            delta = m.mul(sign, wrong, Role.DELTA, at="unsign")
        terms = m.div(m.mul(delta, delta, Role.LOSS), self.two, Role.LOSS)
        return m.sum(m.sum(terms, 1, Role.LOSS, at="row_sum"), 0, Role.LOSS, at="batch_sum"), delta

    def accumulate(self, total: Values, loss: Values) -> Values:
        """The epoch's loss register after one more batch."""
        return self.m.add(total, loss, Role.LOSS, at="epoch_add")
