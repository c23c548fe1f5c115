"""Pocket activations: piecewise linear functions as compositions of ops, so that their inside is audited as well.

Each has an inverse slope, `grad_inv`: the integer inverse of the local slope (Song & Lin, arXiv 2201.02863, section
3.2). Only training has a use for it, so inference neither loads its constants nor computes it. Only the piece an
element lies on is computed for it: the piece's coefficients are selected first, then one division, product and addition
follow, as in firmware's if-else ladder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pocketnn.arith import Role, Values
from pocketnn.errors import UsageError
from pocketnn.machine import Machine

__all__ = ["ACTIVATIONS", "Activation", "activation", "own_scale"]

FLAT = 2147483647  # the reference's inverse of slope zero, INT32_MAX, whatever the word: narrower words overflow

Gradient = Callable[[Values], Values]
"""From the values by which the slope is found to grad_inv, N x out, or a single value for all."""


class Activation:
    """An activation on a machine, called with a layer's sums (N x out).

    apply: from sums to the activation, and the values by which its slope is found. gradient: loads the constants of the
    gradient, and says how grad_inv is found.
    """

    def __init__(self, apply: Callable[[Values], tuple[Values, Values]], gradient: Callable[[], Gradient]) -> None:
        self._apply, self._load = apply, gradient
        self._gradient: Gradient
        self._place: Values

    def __call__(self, x: Values) -> Values:
        """The activation of `x`, N x out."""
        y, self._place = self._apply(x)
        return y

    def load_gradient(self) -> None:
        """Load the constants of the gradient, before `grad_inv` is asked for."""
        self._gradient = self._load()

    def grad_inv(self) -> Values:
        """The inverse slope of the latest call: N x out, or a single value for all."""
        return self._gradient(self._place)


@dataclass(frozen=True, slots=True)
class Piece:
    """x -> x / over * times + plus for x below `below` (None: for all the rest); `grad_inv` is its inverse slope."""

    below: int | None
    over: int = 1
    times: int = 1
    plus: int = 0
    grad_inv: int = 1


# reference/PocketNN: joints and slopes of the seven pieces, input already scaled
_TANH = (
    Piece(-127, times=0, plus=-127, grad_inv=127),
    Piece(-74, over=4, plus=-88, grad_inv=8),
    Piece(-31, plus=-32, grad_inv=2),
    Piece(32, times=2, grad_inv=1),
    Piece(75, plus=32, grad_inv=2),
    Piece(128, over=4, plus=88, grad_inv=8),
    Piece(None, times=0, plus=127, grad_inv=127),
)
_SIGMOID = (
    Piece(-127, times=0, plus=1, grad_inv=127),
    Piece(-74, over=8, plus=20, grad_inv=8),
    Piece(-31, over=2, plus=48, grad_inv=2),
    Piece(32, plus=64, grad_inv=1),
    Piece(75, over=2, plus=80, grad_inv=2),
    Piece(128, over=8, plus=108, grad_inv=8),
    Piece(None, times=0, plus=127, grad_inv=127),
)
_LEAKY_RELU = (
    Piece(-32767, times=0, plus=-32767, grad_inv=FLAT),
    Piece(0, over=5, grad_inv=5),
    Piece(32767),
    Piece(None, times=0, plus=32767, grad_inv=FLAT),
)


def _selected(m: Machine, below: Values, inverses: list[int]) -> Gradient:
    """The inverse slope of the piece that a value lies on."""
    grad_inv = m.constant(inverses, "grad_inv")
    return lambda place: m.select(place, below, grad_inv, Role.CONSTANT, at="select_grad_inv")


def _one(m: Machine) -> Gradient:
    """A slope of 1 everywhere."""
    one = m.constant(1, "grad_inv")
    return lambda place: one


def _ladder(m: Machine, pieces: tuple[Piece, ...], scale: int | None = None) -> Activation:
    """A list of pieces, after an optional division by `scale`."""
    divisor = None if scale is None else m.constant(scale, "scale_by")
    below = m.constant([p.below for p in pieces if p.below is not None], "below")
    overs = m.constant([p.over for p in pieces], "over")
    factors = m.constant([p.times for p in pieces], "times")
    offsets = m.constant([p.plus for p in pieces], "plus")

    def apply(x: Values) -> tuple[Values, Values]:
        if divisor is not None:
            x = m.div(x, divisor, at="scale")
        over = m.select(x, below, overs, Role.CONSTANT, at="select_over")
        times = m.select(x, below, factors, Role.CONSTANT, at="select_times")
        plus = m.select(x, below, offsets, Role.CONSTANT, at="select_plus")
        y = m.mul(m.div(x, over), times)
        return m.add(y, plus, Role.ACTIVATION), x

    return Activation(apply, lambda: _selected(m, below, [p.grad_inv for p in pieces]))


def _pocket_tanh(m: Machine, scale: int) -> Activation:
    """Seven pieces on x / scale."""
    return _ladder(m, _TANH, scale)


def _pocket_sigmoid(m: Machine, scale: int) -> Activation:
    """Seven pieces on x / scale."""
    return _ladder(m, _SIGMOID, scale)


def _pocket_leakyrelu(m: Machine, scale: int) -> Activation:
    """x, or x/5 below zero, within +-32767."""
    return _ladder(m, _LEAKY_RELU)


def _pocket_relu8bit(m: Machine, scale: int) -> Activation:
    """x within 0..127; the slope is zero outside."""
    zero, top = m.constant(0, "zero"), m.constant(127, "top")
    return Activation(
        lambda x: (m.clamp(x, zero, top, Role.ACTIVATION), x),
        lambda: _selected(m, m.constant([0, 128], "below"), [FLAT, 1, FLAT]),
    )


def _rescale(m: Machine, scale: int) -> Activation:
    """x / scale, with slope taken as 1."""
    divisor = m.constant(scale, "scale_by")
    return Activation(lambda x: (m.div(x, divisor, Role.ACTIVATION, at="scale"), x), lambda: _one(m))


def _as_is(m: Machine, scale: int) -> Activation:
    """x, moved from the accumulator into the activation register."""
    return Activation(lambda x: (m.reshape(x, x.shape, Role.ACTIVATION, at="move"), x), lambda: _one(m))


def _pocket_softmax(m: Machine, scale: int) -> Activation:
    """A row at a time: negatives become 0, then value * (2147483647 / row sum); a row sum of 0 counts as 1."""
    zero, top = m.constant(0, "zero"), m.constant(FLAT, "top")
    at_zero, indicator = m.constant([0, 1], "below"), m.constant([0, 1, 0], "indicator")

    def apply(x: Values) -> tuple[Values, Values]:
        positive = m.max(x, zero)
        total = m.sum(positive, 1)
        total = m.add(total, m.select(total, at_zero, indicator, Role.CONSTANT, at="select_zero"), at="nonzero")
        y = m.mul(positive, m.div(top, total), Role.ACTIVATION)
        return y, y

    return Activation(apply, lambda: _selected(m, at_zero, [1, FLAT, 1]))


def _plu(m: Machine, scale: int) -> Activation:
    """max((x+1)/10 - 1, min((x-1)/10 + 1, x)) within +-127 (Nicolae, arXiv 1809.09534, with a = 1/10 and c = 1).

    The reference's version is defective (its result depends on the column) and is not followed.
    """
    one, ten = m.constant(1, "one"), m.constant(10, "ten")
    lo, hi = m.constant(-127, "lo"), m.constant(127, "hi")

    def apply(x: Values) -> tuple[Values, Values]:
        lower = m.sub(m.div(m.add(x, one, at="lower_add"), ten, at="lower_div"), one, at="lower_sub")
        upper = m.add(m.div(m.sub(x, one, at="upper_sub"), ten, at="upper_div"), one, at="upper_add")
        return m.clamp(m.clamp(x, lower, upper, at="bend"), lo, hi, Role.ACTIVATION), x

    # beyond +-1270 the result stays at +-127: (1271 - 1) / 10 + 1 is the first above it
    return Activation(apply, lambda: _selected(m, m.constant([-1270, -1, 2, 1271], "below"), [FLAT, 10, 1, 10, FLAT]))


ACTIVATIONS: dict[str, Callable[[Machine, int], Activation]] = {
    "pocket_tanh": _pocket_tanh,
    "pocket_sigmoid": _pocket_sigmoid,
    "pocket_relu8bit": _pocket_relu8bit,
    "pocket_leakyrelu": _pocket_leakyrelu,
    "pocket_softmax": _pocket_softmax,
    "rescale": _rescale,
    "as_is": _as_is,
    "plu": _plu,
}


_SCALED = ("pocket_tanh", "pocket_sigmoid", "rescale")  # divide what they are given by the scale; others ignore it


def own_scale(name: str, fan_in: int, k: int = 8) -> int:
    """What `name` divides a layer's sums by where nothing else is asked for: 2^k, times fan_in for pocket_tanh; 1 for
    activations that divide by nothing."""
    return (1 << k) * (fan_in if name == "pocket_tanh" else 1) if name in _SCALED else 1


def activation(m: Machine, name: str, fan_in: int, k: int = 8, scale: int = 0) -> Activation:
    """The activation `name` for a layer of `fan_in` inputs; loads its constants on `m`, but for those of the gradient.

    scale: what the sums are divided by, for the activations that do so; 0 for the reference's: 2^k, and times fan_in
    for pocket_tanh. Raises UsageError for an unknown name, and for a scale where none is used.
    """
    if name not in ACTIVATIONS:
        raise UsageError(f"activation {name!r} does not exist; there are {', '.join(ACTIVATIONS)}")
    if scale and name not in _SCALED:
        raise UsageError(f"scale is {scale} but {name} divides by none; leave it out, or take {', '.join(_SCALED)}")
    return ACTIVATIONS[name](m.scope("activation"), scale or own_scale(name, fan_in, k))
