"""The loss: two-sided as in the reference, and one-sided."""

import pytest

from pocketnn.arith import Role
from pocketnn.loss import L2Loss
from pocketnn.machine import Machine

OUTPUTS = [[40, -40, 7], [-3, 20, -128], [32, 5, -16]]
TARGETS = [[32, -16, -16], [-16, 32, -16], [32, -16, -16]]


@pytest.mark.parametrize(("one_sided_at", "delta"), [
    (None, [[8, -24, 23], [13, -12, -112], [0, 21, 0]]),
    (32, [[0, 0, 23], [13, -12, 0], [0, 21, 0]]),
])  # fmt: skip
def test_delta_and_loss(one_sided_at, delta):
    m = Machine()
    loss, found = L2Loss(m, one_sided_at)(m.load(OUTPUTS, Role.ACTIVATION), m.load(TARGETS, Role.CONSTANT))
    assert found.ints().tolist() == delta
    assert loss.ints().tolist() == [[sum(d * d // 2 for row in delta for d in row)]]
    assert not m.ledger.overflowed
