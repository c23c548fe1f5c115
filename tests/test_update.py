"""Update rules: the carried remainder loses nothing, and each layer has its own clamp."""

import numpy as np
import pytest

from pocketnn.arith import Role
from pocketnn.machine import Machine
from pocketnn.nn import Architecture, Network
from pocketnn.update import Rate, Update

RNG = np.random.default_rng(7)


def layer_of(m, weight):
    rows, columns = weight.shape
    parameters = {"fcLast_weight": weight, "fcLast_bias": np.zeros((1, columns), int)}
    return Network(m, Architecture((rows, columns)), parameters).layers[0]


def run(carry, lr_inv, steps=30, limit=32767, first=None):
    """Weights, biases and gradients of some steps on random inputs and deltas."""
    m = Machine()
    layer = layer_of(m, np.zeros((4, 3), int))
    update = Update(layer, limit, carry)
    rate = Rate(m.constant(-lr_inv, "neg_lr_inv"), first and m.constant(first, "first"))
    total = np.zeros((4, 3), int)
    for _ in range(steps):
        x, delta = RNG.integers(-9, 10, (5, 4)), RNG.integers(-9, 10, (5, 3))
        layer.forward(m.load(x, Role.INPUT))
        update(m.load(delta, Role.DELTA, "delta"), rate)
        total += x.T @ delta
    return m, layer, update, total


@pytest.mark.parametrize("lr_inv", [1, 7, 1000])
def test_with_carry_the_weights_and_remainders_hold_the_whole_sum_of_gradients(lr_inv):
    m, layer, update, total = run(True, lr_inv)
    left = update.weight.remainder.ints()
    assert np.array_equal(-lr_inv * layer.weight.ints() + left, total)
    assert np.abs(left).max(initial=0) < lr_inv
    assert not m.ledger.overflowed
    assert m.ledger.flags.vanished == 0


def test_a_first_division_drops_and_the_second_carries():
    _, layer, update, gradient = run(True, 8, steps=1, first=5)
    kept = np.trunc(gradient / 5).astype(int)
    assert np.any(kept * 5 != gradient)
    assert np.array_equal(-8 * layer.weight.ints() + update.weight.remainder.ints(), kept)


def test_without_carry_small_gradients_are_lost():
    m, layer, update, total = run(False, 1000)
    assert np.any(total)
    assert not np.any(layer.weight.ints())
    assert update.weight.remainder is None
    assert m.ledger.flags.vanished > 0
    assert not any("carry" in site.name for site in m.ledger)


def test_every_step_is_the_same_program():
    m, *_ = run(True, 10, steps=4)
    assert m.ledger["fcLast.update.carry_zero"].calls == 1
    for op in ("carry_add", "div", "carry_mul", "carry_sub", "add", "clamp"):
        assert m.ledger[f"fcLast.update.{op}"].calls == 4
        assert m.ledger[f"fcLast.update.bias_{op}"].calls == 4


def test_weight_limit():
    _, layer, _, _ = run(True, 1, limit=5)
    assert np.abs(layer.weight.ints()).max() == 5
    assert np.abs(layer.bias.ints()).max() == 5
