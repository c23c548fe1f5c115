"""Jitter: training images shifted by a few pixels, a batch at a time, through static index tables."""

from __future__ import annotations

import math

from pocketnn.arith import Tensor
from pocketnn.errors import UsageError
from pocketnn.init import Rand

__all__ = ["Jitter", "shifted"]


def shifted(side: int, down: int, right: int) -> Tensor:
    """The index table (side * side) that moves a square image, row by row; -1, which gives 0, where nothing was."""
    indices = []
    for row in range(-down, side - down):
        for column in range(-right, side - right):
            indices.append(row * side + column if 0 <= row < side and 0 <= column < side else -1)
    return Tensor((side * side,), tuple(indices))


class Jitter:
    """Draws, for each batch, one of the shifts by up to `reach` pixels down or up and right or left, none included.

    Raises UsageError if images of `pixels` pixels are not square, or not larger than the shifts.
    """

    def __init__(self, pixels: int, reach: int, rand: Rand) -> None:
        side = math.isqrt(pixels)
        if side * side != pixels:
            raise UsageError(f"jitter needs square images, and {pixels} pixels are none; leave it out")
        if reach >= side:
            raise UsageError(f"jitter is {reach}: less than the {side} pixels of a row belong here")
        steps = range(-reach, reach + 1)
        self.tables = [shifted(side, down, right) for down in steps for right in steps]
        self.rand = rand

    def draw(self) -> Tensor:
        """The index table for the next batch."""
        return self.tables[self.rand.uniform(0, len(self.tables) - 1)]
