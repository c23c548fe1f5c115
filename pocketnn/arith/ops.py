"""The closed op table: every operation a network may use, defined on plain unbounded integers.

An op's result element is a sequence of *terms* (tuples of operand values, for k = 0, 1, 2, ...), each mapped to an
integer by `exact`. Ops that do not fold have one term, whose exact value is narrowed once. `sum` starts at 0 and
narrows after each addition. `mac` narrows each product into the accumulator, then each sum.
`reference.narrowings` turns a row of this table into register operations; that is the whole specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pocketnn.errors import ShapeError

__all__ = ["OPS", "Op", "Tensor"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Plain Python integers with a shape, row-major. The values of the Reference backend."""

    shape: Shape
    items: tuple[int, ...]

    def at(self, index: Shape) -> int:
        """The element at `index`, broadcasting: missing leading axes and axes of length 1 repeat."""
        flat = 0
        for position, length in zip(index[len(index) - len(self.shape) :], self.shape, strict=True):
            flat = flat * length + (position if length > 1 else 0)
        return self.items[flat]


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A row of the op table.

    arity: number of register operands. params: names of the static parameters after them.
    shape(shapes, params): the result's shape; raises ShapeError.
    terms(args, index): the operand values that meet at one result element. exact(*term): its exact value.
    depth(shapes, params): number of terms folded into one element; None for ops that do not fold.
    rounds: narrowings per term (1, or 2 for `mac`: the product and the sum).
    """

    name: str
    arity: int
    shape: Callable[[tuple[Shape, ...], tuple[Any, ...]], Shape]
    terms: Callable[[tuple[Any, ...], Shape], Iterator[tuple[int, ...]]]
    exact: Callable[..., int]
    params: tuple[str, ...] = ()
    depth: Callable[[tuple[Shape, ...], tuple[Any, ...]], int] | None = None
    rounds: int = 1

    def __repr__(self) -> str:
        return f"OPS[{self.name!r}]"


# --- shapes ------------------------------------------------------------------------------------------------


def _broadcast(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    rank = max(len(shape) for shape in shapes)
    result = []
    for axis in range(-rank, 0):
        lengths = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(lengths) > 1:
            raise ShapeError(f"shapes {_list(shapes)} do not broadcast: axis {axis} has lengths {sorted(lengths)}")
        result.append(lengths.pop() if lengths else 1)
    return tuple(result)


def _list(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(str(shape) for shape in shapes)


def _same(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    return shapes[0]


def _matrix_product(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    a, b = shapes
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ShapeError(f"mac needs (N, K) and (K, M), got {_list(shapes)}")
    return a[0], b[1]


def _axis(shape: Shape, axis: int) -> int:
    if not 0 <= axis < len(shape):
        raise ShapeError(f"axis {axis} does not exist in shape {shape}; axes count from 0")
    return axis


def _summed(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    axis = _axis(shapes[0], params[0])
    return (*shapes[0][:axis], 1, *shapes[0][axis + 1 :])


def _selected(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    x, below, choices = shapes
    if len(below) != 1 or choices != (below[0] + 1,):
        raise ShapeError(f"select needs T bounds and T+1 choices, got {_list((below, choices))}")
    return x


def _gathered(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    if not shapes[0]:
        raise ShapeError("gather needs a last axis to take elements from, got a single value")
    indices: Tensor = params[0]
    length = shapes[0][-1]
    if any(not -1 <= i < length for i in indices.items):
        raise ShapeError(f"gather index out of range for a last axis of length {length} (-1 means zero)")
    return shapes[0][:-1] + indices.shape


def _permuted(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    if sorted(params[0]) != list(range(len(shapes[0]))):
        raise ShapeError(f"axes {params[0]} are not a permutation for shape {shapes[0]}")
    return tuple(shapes[0][axis] for axis in params[0])


def _reshaped(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    shape = tuple(params[0])
    if any(n < 0 for n in shape) or math.prod(shape) != math.prod(shapes[0]):
        raise ShapeError(f"shape {shapes[0]} cannot be reshaped to {shape}: different number of elements")
    return shape


def _last_dropped(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    if not shapes[0] or shapes[0][-1] == 0:
        raise ShapeError(f"argmax needs a last axis with at least one element, got shape {shapes[0]}")
    return shapes[0][:-1]


# --- terms -------------------------------------------------------------------------------------------------


def _each(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    yield tuple(x.at(index) for x in args)


def _mac_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    a, b = args
    for k in range(a.shape[1]):
        yield a.at((index[0], k)), b.at((k, index[1]))


def _sum_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x, axis = args
    for k in range(x.shape[axis]):
        yield (x.at((*index[:axis], k, *index[axis + 1 :])),)


def _select_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x, below, choices = args
    yield (x.at(index), *below.items, *choices.items)


def _gather_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x, indices = args
    lead = len(x.shape) - 1
    source = indices.at(index[lead:])
    yield (0 if source < 0 else x.at((*index[:lead], source)),)


def _transpose_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x, axes = args
    source = [0] * len(axes)
    for position, axis in zip(index, axes, strict=True):
        source[axis] = position
    yield (x.at(tuple(source)),)


def _reshape_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x, shape = args
    flat = 0
    for position, length in zip(index, shape, strict=True):
        flat = flat * length + position
    yield (x.items[flat],)


def _row_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    x = args[0]
    yield tuple(x.at((*index, k)) for k in range(x.shape[-1]))


# --- exact values ------------------------------------------------------------------------------------------


def _divide(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)  # ZeroDivisionError is the caller's signal
    return -quotient if (a < 0) != (b < 0) else quotient


def _select(*term: int) -> int:
    count = (len(term) - 2) // 2
    x, below, choices = term[0], term[1 : 1 + count], term[1 + count :]
    return choices[next((i for i, bound in enumerate(below) if x < bound), count)]


def _argmax(*row: int) -> int:
    return row.index(max(row))


def _value(x: int) -> int:
    return x


_ROWS = (
    # load: an integer from outside the machine, narrowed: a constant or an input can overflow like a result
    Op("load", 1, _same, _each, _value),
    Op("add", 2, _broadcast, _each, lambda a, b: a + b),
    Op("sub", 2, _broadcast, _each, lambda a, b: a - b),
    Op("neg", 1, _same, _each, lambda a: -a),
    Op("mul", 2, _broadcast, _each, lambda a, b: a * b),
    # div: truncates toward zero (C99 6.5.5); MIN / -1 overflows; x / 0 is the word's MAX and has its own flag
    Op("div", 2, _broadcast, _each, _divide),
    # mac: matrix product, folded over k = 0, 1, 2, ...; product and sum are narrowed separately
    Op(
        "mac",
        2,
        _matrix_product,
        _mac_terms,
        lambda a, b: a * b,
        depth=lambda shapes, params: shapes[0][1],
        rounds=2,
    ),
    # sum: along `axis`, which stays with length 1; narrowed after each addition
    Op("sum", 1, _summed, _sum_terms, _value, ("axis",), depth=lambda shapes, params: shapes[0][params[0]]),
    # clamp: min(max(x, lo), hi), so hi wins where an overflowed bound has put lo above it
    Op("clamp", 3, _broadcast, _each, lambda x, lo, hi: min(max(x, lo), hi)),
    # select: an if-else ladder; choices[i] for the first i with x < below[i], the last choice if there is none
    Op("select", 3, _selected, _select_terms, _select),
    Op("max", 2, _broadcast, _each, max),
    # isqrt: floor of the square root; 0 for a negative operand (a variance gone negative by overflow)
    Op("isqrt", 1, _same, _each, lambda a: math.isqrt(a) if a > 0 else 0),
    # gather: elements of the last axis by a static index table; index -1 gives 0 (zero padding)
    Op("gather", 1, _gathered, _gather_terms, _value, ("indices",)),
    Op("transpose", 1, _permuted, _transpose_terms, _value, ("axes",)),
    Op("reshape", 1, _reshaped, _reshape_terms, _value, ("shape",)),
    # argmax: along the last axis, which goes; the lowest index among the maxima
    Op("argmax", 1, _last_dropped, _row_terms, _argmax),
)
OPS: dict[str, Op] = {op.name: op for op in _ROWS}
