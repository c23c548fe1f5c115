"""Terms: which operand values meet at a result element, one tuple for k = 0, 1, 2, ... (see `ops`).

Every rule takes Tensors (of whatever may stand for an integer), then static parameters, and the element's index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketnn.arith.shapes import Shape

__all__ = [
    "each",
    "gather_terms",
    "mac_terms",
    "reshape_terms",
    "row_terms",
    "select_terms",
    "sum_terms",
    "transpose_terms",
]


def each(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The operands, broadcast."""
    yield tuple(x.at(index) for x in args)


def mac_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """a[i, k] and b[k, j]."""
    a, b = args
    for k in range(a.shape[1]):
        yield a.at((index[0], k)), b.at((k, index[1]))


def sum_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The elements along the axis."""
    x, axis = args
    for k in range(x.shape[axis]):
        yield (x.at((*index[:axis], k, *index[axis + 1 :])),)


def select_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """x, then all bounds, then all choices."""
    x, below, choices = args
    yield (x.at(index), *below.items, *choices.items)


def gather_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The element that the table names; a padding index gives 0."""
    x, indices = args
    lead = len(x.shape) - 1
    source = indices.at(index[lead:])
    yield (0 if source < 0 else x.at((*index[:lead], source)),)


def transpose_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The element that comes to lie at `index`."""
    x, axes = args
    source = [0] * len(axes)
    for position, axis in zip(index, axes, strict=True):
        source[axis] = position
    yield (x.at(tuple(source)),)


def reshape_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The element at the same row-major position."""
    x, shape = args
    flat = 0
    for position, length in zip(index, shape, strict=True):
        flat = flat * length + position
    yield (x.items[flat],)


def row_terms(args: tuple[Any, ...], index: Shape) -> Iterator[tuple[int, ...]]:
    """The whole row along the last axis."""
    x = args[0]
    yield tuple(x.at((*index, k)) for k in range(x.shape[-1]))
