"""Checking a trace's chain, once through the whole file, and counting on the way what it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from pocketnn.arith import CLEAN, Flags, add_flags
from pocketnn.errors import CorruptError
from pocketnn.trace.chain import EXTRAS, beginning, closed, extended, sealed
from pocketnn.trace.database import Database
from pocketnn.trace.figures import entries_from_text
from pocketnn.trace.meaning import Step
from pocketnn.trace.schema import COLUMNS
from pocketnn.trace.stored import Stored

__all__ = ["Holds", "checked"]

Row = tuple[Any, ...]
_EXTRAS_1 = ("code", "plan", "leaf", "block", "checkpoint", "result")  # in format 1, which seals blobs as they are


class Holds(NamedTuple):
    """What a trace was found to hold when its chain was checked.

    chain: the last link in hex. flags: of all events together, as they are recorded. first: id of the first event with
    an overflow or a division by zero, None if there is none. measured: whether any range is recorded.
    """

    chain: str
    flags: Flags
    first: int | None
    measured: bool


def checked(
    database: Database,
    header: Mapping[str, str],
    steps: Sequence[Step],
    stored: Stored,
    progress: Callable[[str, int, int], None] | None = None,
) -> Holds:
    """Recompute the hash chain over everything in the file.

    Raises CorruptError that names the first step at which it breaks, or what holds no sense.
    """
    chain, holds = beginning(header.items()), Holds("", CLEAN, None, False)
    first = database.format == 1
    extras = [_Rows(database, name) for name in (_EXTRAS_1 if first else EXTRAS)]
    seals = [_as_it_is] * len(extras) if first else [_seals(stored)[name] for name in EXTRAS]
    columns = "id, phase, epoch, number, plan, first_event, events, figures, chain"
    every = database.rows(f"SELECT {columns} FROM step ORDER BY id")
    for step, (*row, figures, link) in zip(steps, every, strict=True):
        with _at(step):
            came = [[seal(x) for x in rows.take(step.id)] for seal, rows in zip(seals, extras, strict=True)]
            chain = extended(chain, figures, row, came)
            if chain != link:
                raise CorruptError("the chain breaks here; something in this step was changed")
            holds = _counted(holds, step, figures)
        if progress:
            progress("verify", step.id, len(steps))
    left = [rows.table for rows in extras if rows.left]
    if left:
        raise CorruptError(f"table {left[0]} holds rows of steps that do not exist")
    if not first:
        stored.end_of_links()
    for _, *ending, link in database.rows("SELECT * FROM ending"):
        chain = closed(chain, ending)
        if link != chain:
            raise CorruptError("the ending does not close the chain; steps were cut off or changed")
    return holds._replace(chain=chain.hex())


@contextlib.contextmanager
def _at(step: Step) -> Iterator[None]:
    """A CorruptError from inside names the step."""
    try:
        yield
    except CorruptError as error:
        raise CorruptError(f"step {step.id}: {error}") from error


def _as_it_is(row: Row) -> Row:
    return tuple([sealed(x) if isinstance(x, bytes) else x for x in row])


def _seals(stored: Stored) -> dict[str, Callable[[Row], Row]]:
    """How a row of each table stands in a link."""
    return {
        "code": tuple,
        "plan": tuple,
        "leaf": lambda row: (*row[:-1], stored.link_of_leaf(row[-1])),
        "checkpoint": lambda row: (*row[:-1], stored.link_of_contents(row[3], row[-1])),
        "result": lambda row: (*row[:-1], stored.link_of_contents(row[0], row[-1])),
    }


def _counted(holds: Holds, step: Step, figures: str) -> Holds:
    """Add the figures of a step."""
    flags, first = holds.flags, holds.first
    entries = entries_from_text(figures, step.events)
    for event, entry in enumerate(entries, start=step.first_event):
        if len(entry) == 12:
            own = Flags(*entry[5:])
            flags = add_flags(flags, own)
            if first is None and (own.events or own.zero_divisions):
                first = event
    measured = holds.measured or any(entry[0] is not None for entry in entries)
    return Holds("", flags, first, measured)


class _Rows:
    """The rows of a table in order, handed out step by step."""

    def __init__(self, database: Database, table: str) -> None:
        names = [column.split(" ")[0] for column in COLUMNS[table].split(", ")]
        at = names.index("step")
        rows: Iterable[Row] = database.rows(f"SELECT * FROM {table} ORDER BY {names[0]}")
        self.table = table
        self._groups = groupby(rows, lambda row: row[at])
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
