"""Pocket activations against their formulas, written out once more in plain Python."""

import pytest

from pocketnn.activations import ACTIVATIONS, FLAT, activation
from pocketnn.arith import INT8, Reference, Role, Vector, Word
from pocketnn.errors import UsageError
from pocketnn.machine import Machine, Widths


def trunc(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def tanh(x):
    if x < -127:
        return -127, 127
    if x < -74:
        return trunc(x, 4) - 88, 8
    if x < -31:
        return x - 32, 2
    if x < 32:
        return 2 * x, 1
    if x < 75:
        return x + 32, 2
    if x < 128:
        return trunc(x, 4) + 88, 8
    return 127, 127


def sigmoid(x):
    if x < -127:
        return 1, 127
    if x < -74:
        return trunc(x, 8) + 20, 8
    if x < -31:
        return trunc(x, 2) + 48, 2
    if x < 32:
        return x + 64, 1
    if x < 75:
        return trunc(x, 2) + 80, 2
    if x < 128:
        return trunc(x, 8) + 108, 8
    return 127, 127


def leaky(x):
    if x < -32767:
        return -32767, FLAT
    if x < 0:
        return trunc(x, 5), 5
    return (x, 1) if x < 32767 else (32767, FLAT)


def relu8(x):
    return min(max(x, 0), 127), 1 if 0 <= x <= 127 else FLAT


def plu(x):
    y = max(trunc(x + 1, 10) - 1, min(trunc(x - 1, 10) + 1, x))
    if not -127 <= y <= 127:
        return min(max(y, -127), 127), FLAT
    return y, 1 if -1 <= x <= 1 else 10


FORMULAS = {
    "pocket_tanh": lambda x: tanh(trunc(x, 256 * 3)),
    "pocket_sigmoid": lambda x: sigmoid(trunc(x, 256)),
    "pocket_leakyrelu": leaky,
    "pocket_relu8bit": relu8,
    "rescale": lambda x: (trunc(x, 256), 1),
    "as_is": lambda x: (x, 1),
    "plu": plu,
}
JOINTS = [0, 1, 10, 11, 31, 32, 74, 75, 127, 128, 1270, 1271, 32766, 32767, 32768]
POINTS = sorted(
    {
        sign * joint * scale + near
        for joint in JOINTS
        for scale in (1, 256, 768)
        for near in (-1, 0, 1)
        for sign in (-1, 1)
    }
    | {2**31 - 2, -(2**31) + 2}
)


@pytest.mark.parametrize("backend", [Reference, Vector])
@pytest.mark.parametrize("name", FORMULAS)
def test_equals_its_formula_at_every_joint(name, backend):
    m = Machine(backend())
    function = activation(m, name, 3)
    function.load_gradient()
    y, grad_inv = function(m.load([POINTS], Role.ACCUMULATOR)), function.grad_inv()
    slopes = grad_inv.ints().reshape(-1).tolist() * (len(POINTS) if grad_inv.shape == () else 1)
    assert list(zip(y.ints()[0].tolist(), slopes, strict=True)) == [FORMULAS[name](x) for x in POINTS]
    assert not m.ledger.overflowed


@pytest.mark.parametrize("backend", [Reference, Vector])
def test_softmax(backend):
    m = Machine(backend())
    function = activation(m, "pocket_softmax", 3)
    function.load_gradient()
    y, grad_inv = function(m.load([[3, -5, 1], [0, -1, -2]], Role.ACCUMULATOR)), function.grad_inv()
    share = FLAT // 4
    assert y.ints().tolist() == [[3 * share, 0, share], [0, 0, 0]]
    assert grad_inv.ints().tolist() == [[1, FLAT, 1], [FLAT, FLAT, FLAT]]


def test_every_activation_is_covered():
    assert set(FORMULAS) | {"pocket_softmax"} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ["pocket_tanh", "pocket_sigmoid"])
def test_only_the_selected_piece_can_overflow(name):
    # 2x and x + 32 would overflow 9 bits at x = 250, but firmware's if-else ladder never computes them there
    m = Machine(Vector(), Widths(Word(9)))
    function = activation(m, name, 1, k=0)
    function(m.load([list(range(-256, 256))], Role.ACCUMULATOR))
    assert m.ledger.flags.events == 0


def test_a_joint_that_does_not_fit_is_an_overflow_and_ends_the_ladder_wrongly():
    m = Machine(Vector(), Widths(INT8))
    function = activation(m, "pocket_sigmoid", 1, k=0)
    assert m.ledger["activation.below"].flags.events == 1  # 128
    y = function(m.load([[100]], Role.ACCUMULATOR))
    assert y.ints().tolist() == [[127]]  # below 128 became below -128, so 100 falls through to the last piece


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_inference_has_nothing_of_the_gradient(name):
    m = Machine()
    function = activation(m, name, 3)
    function(m.load([[-300, -1, 0, 1, 300]], Role.ACCUMULATOR))
    forward = {site.name for site in m.ledger}
    function.load_gradient()
    function.grad_inv()
    assert not any("grad" in name for name in forward)
    assert {site.name for site in m.ledger} - forward >= {"activation.grad_inv"}
    if name == "pocket_relu8bit":  # the device has no joint of the slope
        assert forward == {"load", "activation.zero", "activation.top", "activation.clamp"}


def test_unknown_name():
    with pytest.raises(UsageError, match="'gelu' does not exist; there are pocket_tanh"):
        activation(Machine(), "gelu", 1)
