"""Shapes: plain integers with a shape, and what shape each op's result has.

Every rule takes the operands' shapes and the op's static parameters, and raises ShapeError where they do not fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pocketnn.errors import ShapeError

__all__ = [
    "Shape",
    "Tensor",
    "broadcast",
    "gathered",
    "last_dropped",
    "matrix_product",
    "permuted",
    "reshaped",
    "same",
    "selected",
    "summed",
]

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


def broadcast(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """Operands of one shape, or that NumPy would broadcast to one."""
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


def same(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """The first operand's shape."""
    return shapes[0]


def matrix_product(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """(N, K) by (K, M) gives (N, M)."""
    a, b = shapes
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ShapeError(f"mac needs (N, K) and (K, M), got {_list(shapes)}")
    return a[0], b[1]


def _axis(shape: Shape, axis: int) -> int:
    if not 0 <= axis < len(shape):
        raise ShapeError(f"axis {axis} does not exist in shape {shape}; axes count from 0")
    return axis


def summed(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """The axis `params[0]` stays with length 1."""
    axis = _axis(shapes[0], params[0])
    return (*shapes[0][:axis], 1, *shapes[0][axis + 1 :])


def selected(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """T bounds and T+1 choices give the shape of what is compared with them."""
    x, below, choices = shapes
    if len(below) != 1 or choices != (below[0] + 1,):
        raise ShapeError(f"select needs T bounds and T+1 choices, got {_list((below, choices))}")
    return x


def gathered(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """The last axis gives way to the shape of the index table."""
    if not shapes[0]:
        raise ShapeError("gather needs a last axis to take elements from, got a single value")
    indices: Tensor = params[0]
    length = shapes[0][-1]
    if any(not -1 <= i < length for i in indices.items):
        raise ShapeError(f"gather index out of range for a last axis of length {length} (-1 means zero)")
    return shapes[0][:-1] + indices.shape


def permuted(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """Axes in the order of `params[0]`."""
    if sorted(params[0]) != list(range(len(shapes[0]))):
        raise ShapeError(f"axes {params[0]} are not a permutation for shape {shapes[0]}")
    return tuple(shapes[0][axis] for axis in params[0])


def reshaped(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """As many elements in the shape `params[0]`."""
    shape = tuple(params[0])
    if any(n < 0 for n in shape) or math.prod(shape) != math.prod(shapes[0]):
        raise ShapeError(f"shape {shapes[0]} cannot be reshaped to {shape}: different number of elements")
    return shape


def last_dropped(shapes: tuple[Shape, ...], params: tuple[Any, ...]) -> Shape:
    """The last axis goes."""
    if not shapes[0] or shapes[0][-1] == 0:
        raise ShapeError(f"argmax needs a last axis with at least one element, got shape {shapes[0]}")
    return shapes[0][:-1]
