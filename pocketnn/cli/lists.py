"""An option that takes several whole numbers."""

from __future__ import annotations

from typing import Any

import click

from pocketnn.arith import MAX_BITS, MIN_BITS

__all__ = ["WORDS", "Numbers"]


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Whole numbers from `least` (to `most`, if there is one) with commas between, at least one; repeats count once."""

    name = "N,N,..."

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list like 8,16", param, ctx)
        for number in numbers:
            if number < self.least or (self.most is not None and number > self.most):
                bound = f"{self.least} to {self.most}" if self.most is not None else f"{self.least} or more"
                self.fail(f"{number} in {value!r}: give {bound}", param, ctx)
        return tuple(dict.fromkeys(numbers))


WORDS = Numbers(MIN_BITS, MAX_BITS)
