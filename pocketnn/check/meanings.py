"""The ops that the checker understands, and of each the points or the rule that decide how far its results reach.

Of an op in CORNERS the exact value is monotone in each operand while the others are fixed (`div` on either side of 0,
where it is not asked), so over a box it is extreme at corners. `select` is constant between the bounds of its ladder.
The tests hold every rule here against all integers of small boxes. An op that is not listed is refused.
"""

from __future__ import annotations

import itertools
from typing import Any

from pocketnn.arith.ops import OPS

__all__ = [
    "CORNERS",
    "FOLDS",
    "MOVES",
    "UNDERSTOOD",
    "Bounds",
    "at_corners",
    "multiple",
    "on_ladder",
    "remainder",
    "source_of",
    "squares",
    "winners",
]

CORNERS = frozenset({"add", "sub", "neg", "mul", "div", "clamp", "max", "isqrt"})
FOLDS = frozenset({"mac", "sum"})
MOVES = frozenset({"gather", "transpose", "reshape"})
UNDERSTOOD = CORNERS | FOLDS | MOVES | {"load", "select", "argmax"}

Bounds = tuple[int, int]


def at_corners(op: str, box: list[Bounds]) -> list[int]:
    """The exact values of `op` at the corners of a box, of which one is the least of all and one the greatest.

    For `div` the divisor's range must not hold 0.
    """
    return [OPS[op].exact(*point) for point in itertools.product(*box)]


def squares(x: Bounds) -> list[int]:
    """The extremes of x * x, both operands being the same value."""
    middle = [0] if x[0] <= 0 <= x[1] else []
    return [OPS["mul"].exact(value, value) for value in (*x, *middle)]


def on_ladder(x: Bounds, below: list[int], choices: list[Bounds]) -> list[int]:
    """The extremes of `select` where the bounds of its ladder are known: at either side of each, and at x's ends."""
    points = {*x, *(p for bound in below for p in (bound - 1, bound) if x[0] <= p <= x[1])}
    return [OPS["select"].exact(p, *below, *(choice[side] for choice in choices)) for p in points for side in (0, 1)]


def winners(row: list[Bounds]) -> list[int]:
    """The indices that `argmax` can give: one wins if it does when it is as great and all others as small as can be."""
    lows = [lo for lo, _ in row]
    tried = [[*lows[:i], hi, *lows[i + 1 :]] for i, (_, hi) in enumerate(row)]
    return [i for i, values in enumerate(tried) if OPS["argmax"].exact(*values) == i]


def multiple(a: Bounds) -> Bounds:
    """Where q * d lies if q is a / d: between 0 and a."""
    return min(a[0], 0), max(a[1], 0)


def remainder(a: Bounds, d: Bounds) -> Bounds:
    """Where a - (a / d) * d lies: it has the sign of a, and is smaller than d in magnitude (C99 6.5.5)."""
    most = max(-d[0], d[1]) - 1
    return max(min(a[0], 0), -most), min(max(a[1], 0), most)


def source_of(op: str, index: tuple[int, ...], of: tuple[int, ...], to: tuple[int, ...], param: Any) -> Any:
    """Where the element at `index` of a moved result comes from; None for padding, which is 0."""
    if op == "transpose":
        return tuple(index[param.index(axis)] for axis in range(len(of)))
    if op == "gather":
        place = param.at(index[len(of) - 1 :])
        return (*index[: len(of) - 1], place) if place >= 0 else None
    flat = 0
    for position, length in zip(index, to, strict=True):
        flat = flat * length + position
    source = []
    for length in reversed(of):
        flat, position = divmod(flat, length)
        source.append(position)
    return tuple(reversed(source))
