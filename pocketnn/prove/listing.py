"""Listing: a backend around a backend that keeps every op it ran, in order, for a certificate to be checked by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocketnn.arith import Around, Backend, Flags, Op, Outcome, Ranges, Register, Span

__all__ = ["Listing", "Step"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One op: what it was given (`args`: positions of earlier steps), its static parameters, and what came of it."""

    site: str
    op: str
    args: tuple[int, ...]
    params: tuple[Any, ...]
    to: Register
    value: Any
    flags: Flags
    span: Span | None


class Listing(Around):
    """Executes every op on `inner` and appends a Step. Keeps all values alive, so it is for short programs."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.steps: list[Step] = []
        self._position: dict[int, int] = {}

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` and list it; see Backend.apply."""
        outcome = self.inner.apply(op, args, to, site)
        value, flags, span = outcome
        operands = () if op.name == "load" else tuple(self._position[id(x)] for x in args[: op.arity])
        self.steps.append(
            Step(site, op.name, operands, args[op.arity :], to, value, flags, span if isinstance(span, Span) else None)
        )
        self._position[id(value)] = len(self.steps) - 1
        return outcome

    def position(self, value: Ranges) -> int:
        """Which step gave this value."""
        return self._position[id(value)]

    def at(self, site: str) -> list[Any]:
        """The values that the op written at `site` gave, in order."""
        return [step.value for step in self.steps if step.site == site]
