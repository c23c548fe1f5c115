"""What a recording holds of overflows: how many, and where the first is."""

from __future__ import annotations

from typing import Any, NamedTuple

from pocketnn.arith import Flags
from pocketnn.trace.event import Code
from pocketnn.trace.reader import Step, Trace

__all__ = ["Overflows", "overflows"]


class Overflows(NamedTuple):
    """As recorded: totals over all events; the first event that overflowed or divided by zero, None if none did.

    steps: how many steps they are the totals of.
    """

    flags: Flags
    first: tuple[int, Step, Code] | None
    steps: int

    def __str__(self) -> str:
        if self.first is None:
            return f"none in the {self.steps} steps recorded" if self.steps else "no step is recorded"
        flags, (event, step, code) = self.flags, self.first
        to = f"{code.to.role.value}:{code.to.word.bits}:{code.to.overflow.value}"
        return (
            f"{flags.events} in {flags.elements} elements ({flags.corrupted} corrupted, {flags.transient} transient), "
            f"{flags.zero_divisions} divisions by zero; "
            f"first: event {event}, step {step.id}, {code.site} ({code.op.name} to {to})"
        )

    def data(self) -> dict[str, Any]:
        """As plain data."""
        totals = {name: count for name, count in self.flags._asdict().items() if name != "first"}
        if self.first is None:
            return {**totals, "first": None}
        event, step, code = self.first
        where = {"event": event, "step": step.id, "site": code.site, "op": code.op.name, "role": code.to.role.value}
        return {**totals, "first": where}


def overflows(trace: Trace) -> Overflows:
    """What is recorded in a trace."""
    event = trace.holds.first
    first = None if event is None else (event, trace.step_of(event), trace.code_of(event))
    return Overflows(trace.holds.flags, first, len(trace.steps))
