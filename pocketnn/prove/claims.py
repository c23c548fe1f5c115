"""What a step of a certificate claims, read by `check`, and the arithmetic of single ops that it needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Case", "Claim", "part", "points", "rest", "source_of"]

Case = Mapping[int, int]
"""Partition number -> which of its cases."""


class Claim:
    """The claimed range of a step's result."""

    def __init__(self, step: Mapping[str, Any], counts: list[int]) -> None:
        self.keys: list[int] = step["keys"]
        self.shape = tuple(step["shape"])
        self.axes = tuple(step["axes"])
        self.lo, self.hi = step["lo"], step.get("hi", step["lo"])
        self.own = self.axes[len(self.keys) :]  # axes of elements; 1 where the claim is the same along them
        if any(x is not None and type(x) is not int for x in (*self.lo, *self.hi)):
            raise ValueError("bounds are whole numbers, or null where there is no such case")
        if any(lo is not None and lo > hi for lo, hi in zip(self.lo, self.hi, strict=True)):
            raise ValueError("a lower bound is above the upper one")
        full = (*(counts[key] for key in self.keys), *self.shape)
        if len(full) != len(self.axes) or any(n not in (1, m) for n, m in zip(self.axes, full, strict=True)):
            raise ValueError("its axes do not go with its shape")

    def at(self, index: tuple[int, ...], case: Case) -> tuple[int, int] | None:
        """The range of one element in one case, or over all cases of partitions that `case` leaves open. The index is
        aligned at the last axis. None if there is no such case."""
        index = index[len(index) - len(self.own) :]
        choices = []
        for key, count in zip(self.keys, self.axes, strict=False):
            choices.append([min(case[key], count - 1)] if key in case else range(count))
        found = []
        for chosen in itertools.product(*choices):
            flat = 0
            for position, length in zip((*chosen, *index), self.axes, strict=True):
                flat = flat * length + (position if length > 1 else 0)
            if self.lo[flat] is not None:
                found.append((self.lo[flat], self.hi[flat]))
        return (min(lo for lo, _ in found), max(hi for _, hi in found)) if found else None


def source_of(op: str, index: tuple[int, ...], of: tuple[int, ...], to: tuple[int, ...], param: Any) -> Any:
    """Where the element at `index` of the result comes from; None for padding."""
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


def points(step: Mapping[str, Any], ranges: list[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Points of a box at which a monotone op has its extremes: the corners, and around 0 for a divisor or a square."""
    ends = [list(pair) for pair in ranges]
    if step["op"] == "mul" and step["args"][0] == step["args"][1]:
        yield from ((x, x) for x in (*ends[0], *([0] if ends[0][0] <= 0 <= ends[0][1] else [])))
    else:
        yield from itertools.product(*ends)


def part(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """Of q * d with q = a / d: between 0 and a."""
    a = ranges[2]
    return min(a[0], 0), max(a[1], 0)


def rest(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """Of a - (a / d) * d: the sign of a, and smaller than d in magnitude (C99 6.5.5)."""
    a, d = ranges[0], ranges[2]
    most = max(-d[0], d[1]) - 1
    return max(min(a[0], 0), -most), min(max(a[1], 0), most)
