"""Lockstep: two backends side by side, stopped at the first op on which they disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketnn.arith.backend import Backend, Integers, Outcome
from pocketnn.arith.extent import measured
from pocketnn.arith.ops import Op
from pocketnn.arith.word import Register
from pocketnn.errors import DivergenceError

__all__ = ["Lockstep", "Pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same values in two backends."""

    left: Any
    right: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""
        return tuple(self.left.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.left.size)

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The elements as integers; see Values."""
        return np.asarray(self.left.ints(dtype))

    def numbers(self) -> Integers:
        """The elements as they are kept; see Values."""
        return np.asarray(self.left.numbers())


@dataclass(frozen=True, slots=True)
class Lockstep(Backend):
    """Run every op on `left` and on `right`; raise DivergenceError at the first difference.

    Compared are shapes, values, flags, and spans where both measure them. The outcome is the left one's.
    """

    left: Backend
    right: Backend

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` twice; see Backend.apply."""
        lefts = tuple(x.left if isinstance(x, Pair) else x for x in args)
        rights = tuple(x.right if isinstance(x, Pair) else x for x in args)
        a = self.left.apply(op, lefts, to, site)
        b = self.right.apply(op, rights, to, site)
        where = f"{site} ({op.name} into {to.word.bits} bits, {to.overflow.value})"
        names = f"{type(self.left).__name__} and {type(self.right).__name__}"
        if a.value.shape != b.value.shape:
            raise DivergenceError(f"{where}: {names} give shapes {a.value.shape} and {b.value.shape}")
        ours, theirs = a.value.ints(), b.value.ints()
        if not np.array_equal(ours, theirs):
            index = tuple(int(i) for i in np.argwhere(ours != theirs)[0])
            raise DivergenceError(f"{where}: {names} give {ours[index]} and {theirs[index]} at element {index}")
        if a.flags != b.flags:
            raise DivergenceError(f"{where}: {names} give {a.flags} and {b.flags}")
        spans = measured(a), measured(b)
        if None not in spans and spans[0] != spans[1]:
            raise DivergenceError(f"{where}: {names} give {spans[0]} and {spans[1]}")
        return a._replace(value=Pair(a.value, b.value))

    def takes(self, value: object) -> bool:
        """Pairs of what the two backends take."""
        return isinstance(value, Pair) and self.left.takes(value.left) and self.right.takes(value.right)
