"""Reader: a trace file as steps, events and values. The file comes from a stranger: nothing in it is believed.

Opening executes nothing that the file holds: its schema must be pocketnn's own, letter by letter, or it is refused.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pocketnn.arith import OPS, Overflow, Register, Role, Word
from pocketnn.arith.backend import Integers
from pocketnn.errors import CorruptError, DataError, PocketNNError, UsageError
from pocketnn.machine import Widths
from pocketnn.trace.database import corruption, opened
from pocketnn.trace.digest import register_dtype
from pocketnn.trace.event import Code, Moment, params_from_text
from pocketnn.trace.figures import Figures, entries_from_text, figures_of
from pocketnn.trace.leaves import decoded, inflated, size_of, unpacked
from pocketnn.trace.part import ENDED, part_of, window_from_text
from pocketnn.trace.schema import MAX_ELEMENTS

__all__ = ["Recorded", "Step", "Trace"]

_KEPT = 1 << 28  # bytes of decompressed blocks kept; the images of MNIST take 47 million


class Step(NamedTuple):
    """One recorded step: its number in the file (from 1), when it ran, its plan, the ids of its events."""

    id: int
    moment: Moment
    plan: int
    first_event: int
    events: int


class Recorded(NamedTuple):
    """One event as recorded. operands: ids of the events whose values it took."""

    id: int
    step: Step
    code: Code
    operands: tuple[int, ...]
    figures: Figures


class Trace:
    """A trace file opened for reading; a context manager.

    header: texts by name. codes, plans, steps: as recorded. full: whether results are stored too. status: how the run
    ended; None if the file has no ending (the run was killed, or is still going on). part: which part of its run it
    holds, in words ("PARTIAL: steps 1 to 1 of 8"); None if it holds the whole.

    Raises DataError if it is no trace, VersionError for another format or semantics, CorruptError where the file
    contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = opened(path)
        try:
            with corruption(path):
                self._read()
        except BaseException:
            self._db.close()
            raise

    def _read(self) -> None:
        self.header: dict[str, str] = dict(self.rows("SELECT key, value FROM header"))
        self.widths, self.overflow = _machine(self.header)
        query = "SELECT id, op, site, role, bits, overflow, params, shape FROM code ORDER BY id"
        self.codes = {row[0]: self._checked(_code(*row[1:])) for row in self.rows(query)}
        self.plans = self._read_plans()
        self.steps = self._read_steps()
        self._firsts = [step.first_event for step in self.steps]
        self.events = sum(step.events for step in self.steps)
        self._read_ending()
        self.full = next(self.rows("SELECT event FROM result LIMIT 1"), None) is not None
        self._first_rows = [row[0] for row in self.rows("SELECT first_row FROM block ORDER BY id")]
        self._blocks: dict[int, list[bytes]] = {}
        self._kept = 0

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query on the file's tables."""
        with corruption(self.path):
            for row in self._db.execute(query, values):  # noqa: UP028  # `yield from` closes the cursor after the file
                yield row

    def _checked(self, code: Code) -> Code:
        """Refuse a code whose register is not the one that its role has on the machine of the header."""
        role, overflow = code.to.role, code.to.overflow if code.to.role is Role.HOST else self.overflow
        if code.to != Register(role, self.widths[role], overflow):
            raise CorruptError(f"code {code.op.name} at {code.site}: {code.to} is no register of the header's machine")
        return code

    def _read_plans(self) -> dict[int, list[tuple[int, tuple[int, ...]]]]:
        plans: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        for plan, position, code, *abc in self.rows("SELECT plan, position, code, a, b, c FROM plan ORDER BY id"):
            entries = plans.setdefault(plan, [])
            if position != len(entries) or code not in self.codes:
                raise CorruptError(f"plan {plan} has a gap at position {len(entries)}, or no code {code}")
            op = self.codes[code].op
            arity = 0 if op.name == "load" else op.arity
            if any(type(x) is not int for x in abc[:arity]) or any(x is not None for x in abc[arity:]):
                raise CorruptError(f"plan {plan}, position {position}: {op.name} takes {arity} operands, not {abc}")
            entries.append((code, tuple(abc[:arity])))
        return plans

    def _read_steps(self) -> list[Step]:
        steps: list[Step] = []
        first = 1
        for number, phase, epoch, step, plan, first_event, events in self.rows(
            "SELECT id, phase, epoch, number, plan, first_event, events FROM step ORDER BY id"
        ):
            if number != len(steps) + 1 or first_event != first or len(self.plans.get(plan, [])) != events:
                raise CorruptError(f"step {len(steps) + 1} is missing, or does not go on at event {first}")
            steps.append(Step(number, Moment(phase, epoch, step), plan, first_event, events))
            first += events
        return steps

    def _read_ending(self) -> None:
        ((version,),) = self.rows("PRAGMA user_version")
        endings = list(self.rows("SELECT * FROM ending"))
        number, status, steps, events, *seen = (
            endings[0][:-1] if endings else (1, None, len(self.steps), self.events, None)
        )
        if len(endings) > 1 or (number, steps, events) != (1, len(self.steps), self.events):
            raise CorruptError(f"its ending does not match {len(self.steps)} steps and {self.events} events")
        if status not in (*ENDED, None):
            raise CorruptError(f"its ending says {status[:40]!r}; a run ends {', '.join(ENDED)}")
        self.status: str | None = status
        window = None if version == 1 else window_from_text(self.header.get("steps", ""))
        self.part = part_of(window, len(self.steps), status, seen[0] if seen else None)

    def between(self, first: int = 1, last: int | None = None) -> list[Step]:
        """The steps first..last; all to the end for None. Raises UsageError for steps that are not there."""
        count = len(self.steps)
        last = count if last is None else last
        if (first, last) != (1, 0) and not 1 <= first <= last <= count:
            raise UsageError(f"steps {first} to {last}: {self.path} has steps 1 to {count}")
        return self.steps[first - 1 : last]

    # --- events ------------------------------------------------------------------------------------------

    def step_of(self, event: int) -> Step:
        """The step of an event. Raises DataError if there is no such event."""
        if not 1 <= event <= self.events:
            raise DataError(f"{self.path}: has no event {event}; they count from 1 to {self.events}")
        return self.steps[bisect_right(self._firsts, event) - 1]

    def code_of(self, event: int) -> Code:
        """The code of an event."""
        step = self.step_of(event)
        return self.codes[self.plans[step.plan][event - step.first_event][0]]

    def operands_of(self, event: int) -> tuple[int, ...]:
        """The ids of the events whose values an event took. Raises CorruptError unless they came before it."""
        step = self.step_of(event)
        references = self.plans[step.plan][event - step.first_event][1]
        operands = tuple([event + x if x < 0 else x for x in references])
        if any(not 1 <= x < event for x in operands):
            raise CorruptError(f"{self.path}: event {event} refers to events {operands}, which do not come before it")
        return operands

    def entries(self, step: Step) -> list[Any]:
        """The figures of a step's events, as `figures.measure` made them."""
        with corruption(self.path):
            ((column,),) = self.rows("SELECT figures FROM step WHERE id = ?", step.id)
            try:
                return entries_from_text(column, step.events)
            except CorruptError as error:
                raise CorruptError(f"step {step.id}: {error}") from error

    def recorded(self, step: Step) -> Iterator[Recorded]:
        """The events of a step, in order."""
        for event, entry in enumerate(self.entries(step), start=step.first_event):
            yield Recorded(event, step, self.code_of(event), self.operands_of(event), figures_of(entry))

    # --- values ------------------------------------------------------------------------------------------

    def leaf(self, event: int) -> Integers:
        """The integers from outside that a `load` was given."""
        with corruption(self.path):
            found = list(self.rows("SELECT dtype, shape, rows FROM leaf WHERE event = ?", event))
            if len(found) != 1:
                raise CorruptError(f"event {event} loads a value that is not there")
            dtype, shape, rows = found[0]
            if len(rows) % 4:
                raise CorruptError(f"the leaf of event {event} is cut off")
            shape = _shape(shape)
            room, parts = size_of(dtype, shape), []
            for row in np.frombuffer(rows, "<u4"):
                parts.append(self._row(int(row)))
                room -= len(parts[-1])
                if room < 0 or len(parts) > MAX_ELEMENTS:
                    raise CorruptError(f"the leaf of event {event} has more rows than its shape {shape}")
            return decoded(dtype, shape, b"".join(parts))

    def _row(self, row: int) -> bytes:
        block = bisect_right(self._first_rows, row) - 1
        rows = self._block(block) if block >= 0 else []
        position = row - self._first_rows[block] if block >= 0 else 0
        if position >= len(rows):
            raise CorruptError(f"row {row} of leaf values is not there")
        return rows[position]

    def _block(self, block: int) -> list[bytes]:
        """The rows of a block; those last decompressed are kept, within bounds."""
        kept = self._blocks.get(block)
        if kept is not None:
            return kept
        found = list(self.rows("SELECT lengths, data FROM block WHERE id = ?", block + 1))
        if len(found) != 1:
            raise CorruptError(f"block {block + 1} of leaf values is not there")
        rows = unpacked(*found[0])
        size = sum(map(len, rows))
        if self._kept + size > _KEPT:
            self._blocks, self._kept = {}, 0
        self._blocks[block] = rows
        self._kept += size
        return rows

    def checkpoint(self, interval: int) -> dict[int, Integers]:
        """Register contents by event id, of values from before the interval that are used in it."""
        with corruption(self.path):
            found = self.rows("SELECT event, data FROM checkpoint WHERE interval = ? ORDER BY id", interval)
            return {event: self._contents(event, data) for event, data in found}

    def result(self, event: int) -> Integers | None:
        """The stored result of an event; None in a trace of level `digest`."""
        with corruption(self.path):
            found = list(self.rows("SELECT data FROM result WHERE event = ?", event))
            return self._contents(event, found[0][0]) if found else None

    def _contents(self, event: int, data: bytes) -> Integers:
        code = self.code_of(event)
        dtype = register_dtype(code.to.word.bits)
        size = dtype.itemsize * int(np.prod(code.shape, dtype=object))
        return np.frombuffer(inflated(data, size), dtype).reshape(code.shape)


# --- what a file says, as what it means -------------------------------------------------------------------------


def _machine(header: dict[str, str]) -> tuple[Widths, Overflow]:
    try:
        found = json.loads(header["machine"])
        roles = {Role(role): Word(bits) for role, bits in found["roles"].items()}
        return Widths(Word(found["word"]), roles), Overflow(found["overflow"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CorruptError(f"the header's machine {header.get('machine', '')[:80]!r} is none") from error


def _shape(text: str) -> tuple[int, ...]:
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
        raise CorruptError(f"shape {found} has {size} elements; at most {MAX_ELEMENTS} are read")
    return tuple(found)


def _code(op: Any, site: Any, role: Any, bits: Any, overflow: Any, params: Any, shape: Any) -> Code:
    if op not in OPS or not site.isprintable():
        raise CorruptError(f"code {op!r} at {site!r}: no such op in the table")
    try:
        to = Register(Role(role), Word(bits), Overflow(overflow))
        return Code(OPS[op], site, to, params_from_text(OPS[op], params), _shape(shape))
    except (ValueError, PocketNNError) as error:
        raise CorruptError(f"code {op} at {site}: {error}") from error
