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

from pocketnn.arith import bounds, shapes, terms
from pocketnn.arith.shapes import Shape, Tensor

__all__ = ["OPS", "Op", "Tensor"]


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A row of the op table.

    arity: number of register operands. params: names of the static parameters after them.
    shape(shapes, params): the result's shape; raises ShapeError.
    terms(args, index): the operand values that meet at one result element. exact(*term): its exact value.
    interval(*term): bounds of that value for (lo, hi) bounds in the place of each operand value; see `bounds`.
    depth(shapes, params): number of terms folded into one element; None for ops that do not fold.
    rounds: narrowings per term (1, or 2 for `mac`: the product and the sum).
    c: `exact` in C, {0} {1} {2} the operands of a term; for `select` and `argmax` the comparison that chooses.
    """

    name: str
    arity: int
    shape: Callable[[tuple[Shape, ...], tuple[Any, ...]], Shape]
    terms: Callable[[tuple[Any, ...], Shape], Iterator[tuple[int, ...]]]
    exact: Callable[..., int]
    interval: Callable[..., bounds.Bounds]
    params: tuple[str, ...] = ()
    depth: Callable[[tuple[Shape, ...], tuple[Any, ...]], int] | None = None
    rounds: int = 1
    c: str = "{0}"

    def __repr__(self) -> str:
        return f"OPS[{self.name!r}]"


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
    Op(
        "load",
        1,
        shapes.same,
        terms.each,
        exact=_value,
        interval=bounds.moved,
    ),
    Op(
        "add",
        2,
        shapes.broadcast,
        terms.each,
        exact=lambda a, b: a + b,
        interval=bounds.added,
        c="{0} + {1}",
    ),
    Op(
        "sub",
        2,
        shapes.broadcast,
        terms.each,
        exact=lambda a, b: a - b,
        interval=bounds.subtracted,
        c="{0} - {1}",
    ),
    Op(
        "neg",
        1,
        shapes.same,
        terms.each,
        exact=lambda a: -a,
        interval=bounds.negated,
        c="0 - {0}",
    ),
    Op(
        "mul",
        2,
        shapes.broadcast,
        terms.each,
        exact=lambda a, b: a * b,
        interval=bounds.multiplied,
        c="{0} * {1}",
    ),
    # div: truncates toward zero (C99 6.5.5); MIN / -1 overflows; x / 0 is the word's MAX and has its own flag
    Op(
        "div",
        2,
        shapes.broadcast,
        terms.each,
        exact=bounds.truncated,
        interval=bounds.divided,
        c="{0} / {1}",
    ),
    # mac: matrix product, folded over k = 0, 1, 2, ...; product and sum are narrowed separately
    Op(
        "mac",
        2,
        shapes.matrix_product,
        terms.mac_terms,
        exact=lambda a, b: a * b,
        interval=bounds.multiplied,
        depth=lambda shapes, params: shapes[0][1],
        rounds=2,
        c="{0} * {1}",
    ),
    # sum: along `axis`, which stays with length 1; narrowed after each addition
    Op(
        "sum",
        1,
        shapes.summed,
        terms.sum_terms,
        exact=_value,
        interval=bounds.moved,
        params=("axis",),
        depth=lambda shapes, params: shapes[0][params[0]],
    ),
    # clamp: min(max(x, lo), hi), so hi wins where an overflowed bound has put lo above it
    Op(
        "clamp",
        3,
        shapes.broadcast,
        terms.each,
        exact=lambda x, lo, hi: min(max(x, lo), hi),
        interval=bounds.clamped,
        c="LEAST(GREATEST({0}, {1}), {2})",
    ),
    # select: an if-else ladder; choices[i] for the first i with x < below[i], the last choice if there is none
    Op(
        "select",
        3,
        shapes.selected,
        terms.select_terms,
        exact=_select,
        interval=bounds.selected,
        c="{0} < {1}",
    ),
    Op(
        "max",
        2,
        shapes.broadcast,
        terms.each,
        exact=max,
        interval=bounds.greater,
        c="GREATEST({0}, {1})",
    ),
    # isqrt: floor of the square root; 0 for a negative operand (a variance gone negative by overflow)
    Op(
        "isqrt",
        1,
        shapes.same,
        terms.each,
        exact=lambda a: math.isqrt(a) if a > 0 else 0,
        interval=bounds.rooted,
        c="root({0})",
    ),
    # gather: elements of the last axis by a static index table; index -1 gives 0 (zero padding)
    Op(
        "gather",
        1,
        shapes.gathered,
        terms.gather_terms,
        exact=_value,
        interval=bounds.moved,
        params=("indices",),
    ),
    Op(
        "transpose",
        1,
        shapes.permuted,
        terms.transpose_terms,
        exact=_value,
        interval=bounds.moved,
        params=("axes",),
    ),
    Op(
        "reshape",
        1,
        shapes.reshaped,
        terms.reshape_terms,
        exact=_value,
        interval=bounds.moved,
        params=("shape",),
    ),
    # argmax: along the last axis, which goes; the lowest index among the maxima
    Op(
        "argmax",
        1,
        shapes.last_dropped,
        terms.row_terms,
        exact=_argmax,
        interval=bounds.argument,
        c="{0} > {1}",
    ),
)
OPS: dict[str, Op] = {op.name: op for op in _ROWS}
