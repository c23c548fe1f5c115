"""Reader: a trace file as steps, events and values. The file comes from a stranger: nothing in it is believed.

Opening executes nothing that the file holds: its schema must be pocketnn's own, letter by letter, or it is refused. It
checks the whole chain: who reads a trace reads what was written, or is told where it was changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pocketnn.errors import CorruptError, DataError, UsageError
from pocketnn.trace.check import checked
from pocketnn.trace.database import Database
from pocketnn.trace.event import Code
from pocketnn.trace.figures import Figures, entries_from_text, figures_of
from pocketnn.trace.meaning import Step, code_of, machine_of, plans_of, steps_of
from pocketnn.trace.part import ENDED, part_of, window_from_text
from pocketnn.trace.stored import Stored

__all__ = ["Recorded", "Step", "Trace"]


class Recorded(NamedTuple):
    """One event as recorded. operands: ids of the events whose values it took."""

    id: int
    step: Step
    code: Code
    operands: tuple[int, ...]
    figures: Figures


class Trace:
    """A trace file opened for reading, its chain checked; a context manager.

    header: texts by name. codes, plans, steps: as recorded. full: whether results are stored too. status: how the run
    ended; None if the file has no ending (the run was killed, or is still going on). part: which part of its run it
    holds, in words ("PARTIAL: steps 1 to 1 of 8"); None if it holds the whole. holds: what is recorded of overflows,
    and the chain's last link. format: its number. progress: told of the steps checked.

    Raises DataError if it is no trace, VersionError for another format or semantics, CorruptError where the file
    contradicts itself, or its chain breaks.
    """

    def __init__(self, path: Path, progress: Callable[[str, int, int], None] | None = None) -> None:
        self.path = path
        self._database = Database(path)
        self.format = self._database.format
        self.rows = self._database.rows
        with self._database.opening():
            self._read(progress)

    def _read(self, progress: Callable[[str, int, int], None] | None) -> None:
        self.header: dict[str, str] = dict(self.rows("SELECT key, value FROM header"))
        self.widths, self.overflow = machine_of(self.header)
        codes = self.rows("SELECT id, op, site, role, bits, overflow, params, shape FROM code ORDER BY id")
        self.codes = {number: code_of(tuple(row), self.widths, self.overflow) for number, *row in codes}
        self.plans = plans_of(self.rows("SELECT plan, position, code, a, b, c FROM plan ORDER BY id"), self.codes)
        steps = self.rows("SELECT id, phase, epoch, number, plan, first_event, events FROM step ORDER BY id")
        self.steps = steps_of(steps, self.plans)
        self._firsts = [step.first_event for step in self.steps]
        self.events = sum(step.events for step in self.steps)
        self._read_ending()
        self.full = next(self.rows("SELECT event FROM result LIMIT 1"), None) is not None
        self._stored = Stored(self._database, self._code_named)
        self.leaf, self.checkpoint, self.result = self._stored.leaf, self._stored.checkpoint, self._stored.result
        self.holds = checked(self._database, self.header, self.steps, self._stored, progress)

    def _read_ending(self) -> None:
        every = len(self.steps), self.events
        endings = list(self.rows("SELECT * FROM ending"))
        number, status, *counts, _ = endings[0] if endings else (1, None, *every, None, b"")
        if len(endings) > 1 or (number, *counts[:2]) != (1, *every):
            raise CorruptError(f"its ending does not match {len(self.steps)} steps and {self.events} events")
        if status not in (*ENDED, None):
            raise CorruptError(f"its ending says {status[:40]!r}; a run ends {', '.join(ENDED)}")
        self.status: str | None = status
        old = self.format == 1
        window = None if old else window_from_text(self.header.get("steps", ""))
        part = part_of(window, len(self.steps), status, None if old else counts[2])
        missing = self._database.missing
        self.part = f"{part}; {missing}" if part and missing else part

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

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

    def _code_named(self, event: int) -> Code:
        """The code of an event that the file itself names. Raises CorruptError if there is no such event."""
        try:
            return self.code_of(event)
        except DataError as error:
            raise CorruptError(str(error)) from error

    def code_of(self, event: int) -> Code:
        """The code of an event."""
        step = self.step_of(event)
        return self.codes[self.plans[step.plan].entries[event - step.first_event][0]]

    def operands_of(self, event: int) -> tuple[int, ...]:
        """The ids of the events whose values an event took, all before it."""
        step = self.step_of(event)
        references = self.plans[step.plan].entries[event - step.first_event][1]
        return tuple([event + x if x < 0 else x for x in references])

    def entries(self, step: Step) -> list[Any]:
        """The figures of a step's events, as `figures.measure` makes them."""
        ((column,),) = self.rows("SELECT figures FROM step WHERE id = ?", step.id)
        return entries_from_text(column, step.events)

    def recorded(self, step: Step) -> Iterator[Recorded]:
        """The events of a step, in order."""
        for event, entry in enumerate(self.entries(step), start=step.first_event):
            yield Recorded(event, step, self.code_of(event), self.operands_of(event), figures_of(entry))
