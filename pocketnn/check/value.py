"""What a step of a certificate claims of its result: a range for every element, and one for every case of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

__all__ = ["Case", "Value"]

Case = Mapping[int, int]
"""Partition number -> which of its cases."""


class Value:
    """The claimed range of a step's result.

    keys: numbers of the partitions whose cases are told apart. shape: of the result. lo, hi: bounds, row-major along
    `axes`, one for each key and each axis of `shape`; 1 where they are alike along it. own: the axes of `shape` alone.
    Raises ValueError for what is no range.
    """

    def __init__(self, step: Mapping[str, Any], counts: list[int]) -> None:
        self.keys: list[int] = step["keys"]
        self.shape = tuple(step["shape"])
        self.axes = tuple(step["axes"])
        self.lo, self.hi = step["lo"], step.get("hi", step["lo"])
        self.own = self.axes[len(self.keys) :]
        if any(x is not None and type(x) is not int for x in (*self.lo, *self.hi)):
            raise ValueError("bounds are whole numbers, or null where there is no such case")
        if any(lo is not None and lo > hi for lo, hi in zip(self.lo, self.hi, strict=True)):
            raise ValueError("a lower bound is above the upper one")
        full = (*(counts[key] for key in self.keys), *self.shape)
        if any(type(n) is not int or n < 0 for n in full) or len(set(self.keys)) < len(self.keys):
            raise ValueError("its shape is none")
        if len(full) != len(self.axes) or any(n not in (1, m) for n, m in zip(self.axes, full, strict=True)):
            raise ValueError("its axes do not go with its shape")

    def at(self, index: tuple[int, ...], case: Case) -> tuple[int, int] | None:
        """The range of one element in one case, or over all cases of partitions that `case` leaves open.

        The index is aligned at the last axis. None if there is no such case.
        """
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

    def ends(self) -> tuple[int, int] | None:
        """The least and the greatest of all bounds; None if there are none."""
        found = [x for x in (*self.lo, *self.hi) if x is not None]
        return (min(found), max(found)) if found else None
