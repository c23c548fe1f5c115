"""Verify: is every byte of a trace's content the one that was written, and where does the recording end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pocketnn.errors import CorruptError
from pocketnn.trace.chain import EXTRAS, beginning, closed, extended
from pocketnn.trace.database import corruption
from pocketnn.trace.reader import Trace
from pocketnn.trace.schema import COLUMNS

__all__ = ["Verified", "verify"]

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """A trace whose chain is whole. status: how the run ended; None if it was cut off after `steps` steps.

    part: which part of its run it is, in words; None for the whole. chain: the last link in hex; two traces with the
    same one hold the same run.
    """

    steps: int
    events: int
    status: str | None
    part: str | None
    chain: str


def verify(path: Path, progress: Callable[[str, int, int], None] | None = None) -> Verified:
    """Recompute the hash chain over everything in the file, and check that all references lead somewhere.

    Raises CorruptError that names the first step at which the chain breaks, and what Trace raises.
    """
    with Trace(path) as trace, corruption(path):
        (answer,) = next(trace.rows("PRAGMA integrity_check(1)"))
        if answer != "ok":
            raise CorruptError(f"damaged: {answer}")
        chain = beginning(trace.header.items())
        extras = [_Rows(trace, name) for name in EXTRAS]
        columns = "id, phase, epoch, number, plan, first_event, events, figures, chain"
        for *row, figures, link in trace.rows(f"SELECT {columns} FROM step ORDER BY id"):
            number = row[0]
            came = [rows.take(number) for rows in extras]
            if not isinstance(figures, str) or extended(chain, figures, row, came) != link:
                raise CorruptError(f"step {number}: the chain breaks here; something in this step was changed")
            chain = link
            if progress:
                progress("verify", number, len(trace.steps))
        left = [name for name, rows in zip(EXTRAS, extras, strict=True) if rows.left]
        if left:
            raise CorruptError(f"table {left[0]} holds rows of steps that do not exist")
        for _, *ending, link in trace.rows("SELECT * FROM ending"):
            chain = closed(chain, ending)
            if link != chain:
                raise CorruptError("the ending does not close the chain; steps were cut off or changed")
        for step in trace.steps:
            for event in range(step.first_event, step.first_event + step.events):
                trace.operands_of(event)
        return Verified(len(trace.steps), trace.events, trace.status, trace.part, chain.hex())


class _Rows:
    """The rows of a table in order, handed out step by step."""

    def __init__(self, trace: Trace, table: str) -> None:
        key = COLUMNS[table].split(" ", 1)[0]
        at = [column.split(" ")[0] for column in COLUMNS[table].split(", ")].index("step")
        self._groups = groupby(trace.rows(f"SELECT * FROM {table} ORDER BY {key}"), lambda row: row[at])
        self._group = next(self._groups, None)

    def take(self, step: int) -> list[Row]:
        """The rows that came with a step."""
        if self._group is None or self._group[0] != step:
            return []
        rows = list(self._group[1])
        self._group = next(self._groups, None)
        return rows

    @property
    def left(self) -> bool:
        """Whether there are rows that no step has taken."""
        return self._group is not None
