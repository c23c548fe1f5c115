"""The activations of PocketNN, written down a second time: which ops each consists of, and the inverse of its slope.

Each takes the program below its site, the step with the layer's sums, its shape, and what the sums are divided by; it
gives the step with the activations, and what adds the one with the inverse slopes, which inference lacks.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketnn.check.program import Program

__all__ = ["ACTIVATIONS"]

_FLAT = 2147483647  # stands for the inverse of slope 0

# below these bounds x is divided by the first, times the second, plus the third; the last is the inverse of the slope
_TANH = (
    (-127, -74, -31, 32, 75, 128),
    (1, 4, 1, 1, 1, 4, 1),
    (0, 1, 1, 2, 1, 1, 0),
    (-127, -88, -32, 0, 32, 88, 127),
    (127, 8, 2, 1, 2, 8, 127),
)
_SIGMOID = (
    (-127, -74, -31, 32, 75, 128),
    (1, 8, 2, 1, 2, 8, 1),
    (0, 1, 1, 1, 1, 1, 0),
    (1, 20, 48, 64, 80, 108, 127),
    (127, 8, 2, 1, 2, 8, 127),
)
_LEAKY = ((-32767, 0, 32767), (1, 5, 1, 1), (0, 1, 1, 0), (-32767, 0, 0, 32767), (_FLAT, 5, 1, _FLAT))

_Pieces = tuple[tuple[int, ...], ...]
_Shape = tuple[int, int]
_Both = tuple[int, Callable[[], int]]  # activation, inverse slope


def _chosen(p: Program, what: str, x: int, below: int, *choices: int) -> int:
    """One of the choices, by the piece that x lies on."""
    return p.op(f"select_{what}", "constant", "select", x, below, p.constants(what, *choices))


def _pieces(p: Program, x: int, pieces: _Pieces) -> _Both:
    bounds, over, times, plus, slope = pieces
    below = p.constants("below", *bounds)
    y = p.acc("div", "div", x, _chosen(p, "over", x, below, *over))
    y = p.acc("mul", "mul", y, _chosen(p, "times", x, below, *times))
    y = p.op("add", "activation", "add", y, _chosen(p, "plus", x, below, *plus))
    return y, lambda: _chosen(p, "grad_inv", x, below, *slope)


def _scaled(p: Program, x: int, scale: int, pieces: _Pieces) -> _Both:
    return _pieces(p, p.acc("scale", "div", x, p.constant("scale_by", scale)), pieces)


def _relu(p: Program, x: int, shape: _Shape, scale: int) -> _Both:
    y = p.op("clamp", "activation", "clamp", x, p.constant("zero", 0), p.constant("top", 127))
    return y, lambda: _chosen(p, "grad_inv", x, p.constants("below", 0, 128), _FLAT, 1, _FLAT)


def _softmax(p: Program, x: int, shape: _Shape, scale: int) -> _Both:
    below = p.constants("below", 0, 1)
    positive = p.acc("max", "max", x, p.constant("zero", 0))
    total = p.acc("sum", "sum", positive, params=(1,))
    empty = p.op("select_zero", "constant", "select", total, below, p.constants("indicator", 0, 1, 0))
    share = p.acc("div", "div", p.constant("top", _FLAT), p.acc("nonzero", "add", total, empty))
    y = p.op("mul", "activation", "mul", positive, share)
    return y, lambda: _chosen(p, "grad_inv", y, below, 1, _FLAT, 1)


def _rescale(p: Program, x: int, shape: _Shape, scale: int) -> _Both:
    return p.op("scale", "activation", "div", x, p.constant("scale_by", scale)), lambda: p.constant("grad_inv", 1)


def _as_is(p: Program, x: int, shape: _Shape, scale: int) -> _Both:
    return p.op("move", "activation", "reshape", x, params=(shape,)), lambda: p.constant("grad_inv", 1)


def _plu(p: Program, x: int, shape: _Shape, scale: int) -> _Both:
    one, ten = p.constant("one", 1), p.constant("ten", 10)

    def side(name: str, first: str, last: str) -> int:
        tenth = p.acc(f"{name}_div", "div", p.acc(f"{name}_{first}", first, x, one), ten)
        return p.acc(f"{name}_{last}", last, tenth, one)

    bend = p.acc("bend", "clamp", x, side("lower", "add", "sub"), side("upper", "sub", "add"))
    y = p.op("clamp", "activation", "clamp", bend, p.constant("lo", -127), p.constant("hi", 127))
    return y, lambda: _chosen(p, "grad_inv", x, p.constants("below", -1270, -1, 2, 1271), _FLAT, 10, 1, 10, _FLAT)


ACTIVATIONS: dict[str, Callable[[Program, int, _Shape, int], _Both]] = {
    "pocket_tanh": lambda p, x, shape, scale: _scaled(p, x, scale, _TANH),
    "pocket_sigmoid": lambda p, x, shape, scale: _scaled(p, x, scale, _SIGMOID),
    "pocket_leakyrelu": lambda p, x, shape, scale: _pieces(p, x, _LEAKY),
    "pocket_relu8bit": _relu,
    "pocket_softmax": _softmax,
    "rescale": _rescale,
    "as_is": _as_is,
    "plu": _plu,
}
