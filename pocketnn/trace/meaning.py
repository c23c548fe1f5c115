"""What the rows of a trace mean: machine, codes, plans, steps. Whatever the file says, it is that or a CorruptError."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pocketnn.arith import OPS, Overflow, Register, Role, Word
from pocketnn.errors import CorruptError, PocketNNError
from pocketnn.machine import Widths
from pocketnn.trace.event import Code, Moment, params_from_text
from pocketnn.trace.schema import MAX_ELEMENTS

__all__ = ["Plan", "Step", "code_of", "machine_of", "plans_of", "shape_of", "steps_of"]

Row = tuple[Any, ...]


class Step(NamedTuple):
    """One recorded step: its number in the file (from 1), when it ran, its plan, the ids of its events."""

    id: int
    moment: Moment
    plan: int
    first_event: int
    events: int


class Plan(NamedTuple):
    """The static part of a step: number of the code and references to operands, event by event.

    A negative reference says how many events back, a positive one is an event's id.
    """

    entries: list[tuple[int, tuple[int, ...]]]

    def after(self) -> int:
        """The id that the first event of a step has to exceed, for every reference to lead to an earlier event."""
        every = ((position, x) for position, (_, references) in enumerate(self.entries) for x in references)
        return max((x - position if x > 0 else -x - position for position, x in every if x), default=0)


def machine_of(header: Mapping[str, str]) -> tuple[Widths, Overflow]:
    """The machine that the header describes."""
    try:
        found = json.loads(header["machine"])
        roles = {Role(role): Word(bits) for role, bits in found["roles"].items()}
        return Widths(Word(found["word"]), roles), Overflow(found["overflow"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CorruptError(f"the header's machine {header.get('machine', '')[:80]!r} is none") from error


def shape_of(text: str) -> tuple[int, ...]:
    """The dimensions that a text lists."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) > 32 or not all(type(n) is int and n >= 0 for n in found):
        raise CorruptError(f"{str(text)[:60]!r} is no shape")
    size = 1
    for n in found:
        size *= max(1, n)
    if size > MAX_ELEMENTS:
        raise CorruptError(f"shape {str(found)[:60]} has more than {MAX_ELEMENTS} elements, which are not read")
    return tuple(found)


def code_of(row: Row, widths: Widths, mode: Overflow) -> Code:
    """The code in a row (op, site, role, bits, overflow, params, shape) of a file recorded on that machine."""
    op, site, role, bits, overflow, params, shape = row
    if op not in OPS or not site.isprintable():
        raise CorruptError(f"code {op!r} at {site!r}: no such op in the table")
    try:
        to = Register(Role(role), Word(bits), Overflow(overflow))
        code = Code(OPS[op], site, to, params_from_text(OPS[op], params), shape_of(shape))
    except (ValueError, PocketNNError) as error:
        raise CorruptError(f"code {op} at {site}: {error}") from error
    expected = Register(to.role, widths[to.role], to.overflow if to.role is Role.HOST else mode)
    if to != expected:
        raise CorruptError(f"code {op} at {site}: {to} is no register of the header's machine")
    return code


def plans_of(rows: Iterable[Row], codes: Mapping[int, Code]) -> dict[int, Plan]:
    """Plans by number, from rows (plan, position, code, a, b, c) in order."""
    plans: dict[int, Plan] = {}
    for number, position, code, *abc in rows:
        entries = plans.setdefault(number, Plan([])).entries
        if position != len(entries) or code not in codes:
            raise CorruptError(f"plan {number} has a gap at position {len(entries)}, or no code {code}")
        op = codes[code].op
        arity = 0 if op.name == "load" else op.arity
        if any(type(x) is not int for x in abc[:arity]) or any(x is not None for x in abc[arity:]):
            raise CorruptError(f"plan {number}, position {position}: {op.name} takes {arity} operands, not {abc}")
        if 0 in abc[:arity]:
            raise CorruptError(f"plan {number}, position {position}: {op.name} refers to itself")
        entries.append((code, tuple(abc[:arity])))
    return plans


def steps_of(rows: Iterable[Row], plans: Mapping[int, Plan]) -> list[Step]:
    """The steps, from rows (id, phase, epoch, number, plan, first_event, events) in order."""
    steps: list[Step] = []
    after = {number: plan.after() for number, plan in plans.items()}
    first = 1
    for number, phase, epoch, step, plan, first_event, events in rows:
        entries = plans[plan].entries if plan in plans else []
        if number != len(steps) + 1 or first_event != first or not 0 < events == len(entries):
            raise CorruptError(f"step {len(steps) + 1} is missing, or does not go on at event {first}")
        if after[plan] >= first:
            raise CorruptError(f"step {number}: its plan {plan} refers to events that do not come before its own")
        if not phase.isprintable():
            raise CorruptError(f"step {number}: its phase {phase[:40]!r} cannot be printed")
        steps.append(Step(number, Moment(phase, epoch, step), plan, first_event, events))
        first += events
    return steps
