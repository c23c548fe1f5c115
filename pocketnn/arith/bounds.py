"""Interval rules: bounds of each op's exact value when every operand lies anywhere within bounds of its own.

Bounds are (lo, hi) pairs of plain integers, both included, never empty. Every rule gives the tightest bounds there
are for operands that move independently of each other; for operands that do not, they hold all the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

__all__ = [
    "Bounds",
    "added",
    "argument",
    "clamped",
    "divided",
    "greater",
    "moved",
    "multiplied",
    "negated",
    "rooted",
    "selected",
    "subtracted",
    "truncated",
]

Bounds = tuple[int, int]


def truncated(a: int, b: int) -> int:
    """a / b truncated toward zero (C99 6.5.5); ZeroDivisionError is the caller's signal."""
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def _corners(exact: Callable[[int, int], int], a: Bounds, b: Bounds) -> list[int]:
    """The values at the corners, which bound any function that is monotone in each operand."""
    return [exact(x, y) for x, y in itertools.product(a, b)]


def moved(x: Bounds) -> Bounds:
    """The operand itself."""
    return x


def added(a: Bounds, b: Bounds) -> Bounds:
    """a + b."""
    return a[0] + b[0], a[1] + b[1]


def subtracted(a: Bounds, b: Bounds) -> Bounds:
    """a - b."""
    return a[0] - b[1], a[1] - b[0]


def negated(a: Bounds) -> Bounds:
    """-a."""
    return -a[1], -a[0]


def multiplied(a: Bounds, b: Bounds) -> Bounds:
    """a * b: monotone in each operand while the other keeps its sign, so the extremes are at corners."""
    corners = _corners(lambda x, y: x * y, a, b)
    return min(corners), max(corners)


def divided(a: Bounds, b: Bounds) -> Bounds:
    """a / b truncated, over the divisors other than 0; ZeroDivisionError if there are none."""
    corners = []
    for divisor in ((b[0], min(b[1], -1)), (max(b[0], 1), b[1])):  # monotone on either side of 0
        if divisor[0] <= divisor[1]:
            corners += _corners(truncated, a, divisor)
    if not corners:
        raise ZeroDivisionError
    return min(corners), max(corners)


def clamped(x: Bounds, lo: Bounds, hi: Bounds) -> Bounds:
    """min(max(x, lo), hi): monotone in all three."""
    return min(max(x[0], lo[0]), hi[0]), min(max(x[1], lo[1]), hi[1])


def selected(*term: Bounds) -> Bounds:
    """The choices whose piece of the ladder x can reach: choices[i] for the first i with x < below[i]."""
    count = (len(term) - 2) // 2
    x, below, choices = term[0], term[1 : 1 + count], term[1 + count :]
    reached = []
    lowest = x[0]  # what x is at least, once the conditions before have failed
    for i, choice in enumerate(choices):
        highest = x[1] if i == count else min(x[1], below[i][1] - 1)
        if lowest <= highest:
            reached.append(choice)
        if i < count:
            lowest = max(lowest, below[i][0])
    return min(lo for lo, _ in reached), max(hi for _, hi in reached)


def greater(a: Bounds, b: Bounds) -> Bounds:
    """The greater of a and b."""
    return max(a[0], b[0]), max(a[1], b[1])


def rooted(a: Bounds) -> Bounds:
    """Floor of the square root; 0 for negative operands."""
    return math.isqrt(max(a[0], 0)), math.isqrt(max(a[1], 0))


def argument(*row: Bounds) -> Bounds:
    """The indices that can be the lowest among the maxima: above all before, not below any after."""
    floor = max(lo for lo, _ in row)
    first = next(i for i, (lo, _) in enumerate(row) if lo == floor)
    winners = [i for i, (_, hi) in enumerate(row) if hi > floor or (hi == floor and i <= first)]
    return winners[0], winners[-1]
