"""Random numbers and initial values, draw by draw as the PocketNN reference makes them."""

from __future__ import annotations

import math
from collections.abc import Callable

from pocketnn.errors import UsageError

__all__ = ["Rand", "init_limit"]

_MASK = (1 << 32) - 1


class Rand:
    """glibc's `rand()`: the additive-feedback generator of degree 31 (TYPE_3 in glibc's random(3)).

    State r_0 = seed (0 counts as 1), r_i = 16807 r_(i-1) mod 2^31-1 up to i = 30 (Park & Miller's minimal standard),
    r_i = r_(i-31) for the next three, then r_i = r_(i-3) + r_(i-31) mod 2^32; the first 310 of these are dropped and
    each output is r_i >> 1. Raises UsageError for a seed outside 0..2^31-1.
    """

    def __init__(self, seed: int = 1) -> None:
        if not 0 <= seed < 1 << 31:
            raise UsageError(f"seed is {seed}: give a whole number from 0 to {(1 << 31) - 1}")
        first = [seed or 1]
        for _ in range(30):
            first.append(first[-1] * 16807 % 2147483647)
        self._state = [*first[3:], *first[:3]]  # r_3 ... r_33, the last 31 values
        for _ in range(10):  # 310 values dropped
            self._refill()
        self._position = 31

    def _refill(self) -> None:
        """Replace the 31 values by the next 31."""
        state = self._state
        for i in range(31):
            state[i] = (state[i - 3] + state[i]) & _MASK
        self._position = 0

    def draw(self) -> int:
        """The next output, 0 to 2^31-1."""
        if self._position == 31:
            self._refill()
        value = self._state[self._position] >> 1
        self._position += 1
        return value

    def uniform(self, lo: int, hi: int) -> int:
        """An integer in lo..hi, with the reference's modulo bias."""
        return self.draw() % (hi - lo + 1) + lo

    def nonzero(self, limit: int, rows: int, columns: int) -> list[list[int]]:
        """A matrix of non-zero integers in -limit..limit, drawn row by row; zeros are drawn again."""
        if limit < 1:
            raise UsageError(f"no non-zero integer lies in -{limit}..{limit}: the layer is too wide to initialise")
        return _matrix(lambda: self.uniform(-limit, limit), rows, columns)

    def shuffle(self, items: list[int]) -> None:
        """Shuffle in place: for i = n-1 ... 1 swap with j = rand() % (i+1) (Fisher-Yates)."""
        draw = self.draw
        for i in range(len(items) - 1, 0, -1):
            j = draw() % (i + 1)
            items[i], items[j] = items[j], items[i]


def _matrix(draw: Callable[[], int], rows: int, columns: int) -> list[list[int]]:
    return [[next(v for v in iter(draw, None) if v) for _ in range(columns)] for _ in range(rows)]


def init_limit(fan_in: int, fan_out: int) -> int:
    """The reference's He-like range for a layer's initial values: floor(sqrt(12 * 32767 / (in + out)))."""
    return math.isqrt(12 * 32767 // (fan_in + fan_out))
