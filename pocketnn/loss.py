"""L2 loss, two-sided or one-sided."""

from __future__ import annotations

from pocketnn.arith import Role, Values
from pocketnn.machine import Machine

__all__ = ["BATCH_SUM", "EPOCH_SUM", "L2Loss"]

BATCH_SUM, EPOCH_SUM = "loss.batch_sum", "loss.epoch_add"  # sites that others look for


class L2Loss:
    """Sum over samples and classes of (y - target)^2 / 2, each term divided by itself, truncating.

    one_sided_at: the target of the true class, if an output beyond its target is to be no error: above it for the true
    class, below it for any other (the squared hinge loss). error_limit: clamp y - target to +-error_limit.
    divisor: divide it by this before it is squared. limit: where the register of the epoch's loss stops. 0 and 1: not.
    """

    def __init__(
        self, m: Machine, one_sided_at: int | None = None, error_limit: int = 0, divisor: int = 1, limit: int = 0
    ) -> None:
        self.m = m.scope("loss")
        self.two = self.m.constant(2, "two")
        self.one_sided = one_sided_at is not None
        if one_sided_at is not None:
            self.zero_error = self.m.constant(0, "zero_error")
            self.on, self.signs = self.m.constant([one_sided_at], "on"), self.m.constant([1, -1], "signs")
        self.error_limits = self.m.limits(error_limit, "error") if error_limit else None
        self.divisor = self.m.constant(divisor, "divide_by") if divisor > 1 else None
        self.zero = self.m.load([[0]], Role.LOSS, at="zero")
        self.limit = self.m.constant(limit, "limit") if limit else None

    def __call__(self, outputs: Values, targets: Values) -> tuple[Values, Values]:
        """The batch loss (1 x 1) and the loss delta y - target (N x classes), 0 for outputs that are no error."""
        m = self.m
        raw = Role.ACCUMULATOR if self.error_limits else Role.DELTA  # delta registers need not hold what is clamped
        delta = m.sub(outputs, targets, raw)
        if self.one_sided:
            sign = m.select(targets, self.on, self.signs, Role.CONSTANT, at="select_sign")
            wrong = m.max(m.mul(sign, delta, raw, at="sign"), self.zero_error, raw, at="one_sided")
            delta = m.mul(sign, wrong, raw, at="unsign")
        if self.error_limits:
            delta = m.clamp(delta, *self.error_limits, Role.DELTA, at="clamp_error")
        error = delta if self.divisor is None else m.div(delta, self.divisor, Role.DELTA, at="divide")
        terms = m.div(m.mul(error, error, Role.LOSS), self.two, Role.LOSS)
        return m.sum(m.sum(terms, 1, Role.LOSS, at="row_sum"), 0, Role.LOSS, at="batch_sum"), delta

    def accumulate(self, total: Values, loss: Values) -> Values:
        """The epoch's loss register after one more batch; at its limit, where it has one, it stays."""
        m = self.m
        total = m.add(total, loss, Role.LOSS, at="epoch_add")
        return total if self.limit is None else m.clamp(total, self.zero, self.limit, Role.LOSS, at="epoch_clamp")
