"""The loss: two-sided as in the reference, and one-sided."""

import pytest

from pocketnn.arith import Role, Word
from pocketnn.loss import L2Loss
from pocketnn.machine import Machine, Widths

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


def test_clamped_errors_a_divided_loss_and_a_register_that_stops():
    m = Machine(widths=Widths(Word(8), {Role.ACCUMULATOR: Word(16), Role.LOSS: Word(16)}))
    calculate = L2Loss(m, 32, error_limit=11, divisor=3, limit=40)
    targets = m.load(TARGETS, Role.CONSTANT)
    loss, found = calculate(m.load(OUTPUTS, Role.ACTIVATION), targets)
    assert found.ints().tolist() == [[0, 0, 11], [11, -11, 0], [0, 11, 0]]
    assert loss.ints().tolist() == [[4 * ((11 // 3) ** 2 // 2)]]
    total = calculate.zero
    for expected in (16, 32, 40, 40):
        total = calculate.accumulate(total, loss)
        assert total.ints().tolist() == [[expected]]
    far = m.load([[-127, 127, 127]], Role.ACTIVATION)
    _, found = calculate(far, m.load([[100, -100, -100]], Role.CONSTANT))  # differences of 227, in no 8-bit register
    assert found.ints().tolist() == [[-11, 11, 11]]
    assert not m.ledger.overflowed
