"""Writer: a sink that puts a recorded program into a trace file (SQLite), step by step."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pocketnn.errors import RecordingError
from pocketnn.trace.chain import EXTRAS, beginning, closed, extended, sealed
from pocketnn.trace.create import INSERT, created
from pocketnn.trace.digest import registers
from pocketnn.trace.event import Code, Event, Handle, Moment
from pocketnn.trace.figures import text_of
from pocketnn.trace.leaves import LeafWriter
from pocketnn.trace.plans import Plans
from pocketnn.trace.schema import COLUMNS, INTERVAL, MAX_TEXT
from pocketnn.trace.seal import seal

__all__ = ["Writer"]

_STEPS, _SECONDS = 64, 1.0  # a commit at least this often, whichever comes first

Row = tuple[Any, ...]


class _Batch(NamedTuple):
    """What is kept of events that followed on each other; their values are let go of.

    last: id of the last. operands: ids, one event's after the other's. old: those of them that are from before the
    interval. leaves: ids and integers from outside. results: ids, compressed contents and their seals, if they are
    stored.
    """

    last: int
    codes: list[Code]
    operands: list[int]
    old: list[Handle]
    leaves: list[tuple[int, Any]]
    results: list[tuple[int, bytes, str]]
    entries: Sequence[list[Any]]


class Writer:
    """Creates the trace file at `path` and writes what a Recorder tells it, from one process and thread.

    header: what the run is, texts by name. full: store every result too. After a crash or a kill every committed step
    is in the file and its `ending` is missing; `close` writes one. Raises UsageError if the file exists, RecordingError
    if it cannot be written, or where another process or thread goes on; what was committed before stays readable.
    """

    def __init__(self, path: Path, header: Mapping[str, str], full: bool = False) -> None:
        rows = sorted(header.items())
        self._path = path
        self._owner = os.getpid(), threading.get_ident()
        self._db = created(path, rows)
        self._failed = False
        self._full = full
        self._chain = self._beginning = beginning(rows)
        self._leaves = LeafWriter()
        self._plans = Plans(self._within)
        self._checkpoints = self._blocks = 0
        self._moment: Moment | None = None
        self._step = 1
        self._batches: list[_Batch] = []
        self._first_event = self._previous = 1
        self._base = 1
        self._needed: set[int] = set()
        self._pending: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._committed = time.monotonic()

    def step(self, moment: Moment) -> None:
        """A new step begins; the one before it is complete. Raises RecordingError, also where that could not be written
        before and the run went on."""
        self._own()
        self._within(not self._failed, f"step {self._step} was not written, and the run went on")
        if self._batches:
            self._end_step(self._step % _STEPS == 0 or time.monotonic() - self._committed > _SECONDS)
        self._moment = moment

    def events(self, events: Sequence[Event], entries: Sequence[list[Any]]) -> None:
        """See Sink."""
        self._own()
        known = (self._batches[-1].last if self._batches else self._first_event - 1) - events[0].result.id + 1
        if known > 0:
            events, entries = events[known:], entries[known:]
            if not events:
                return
        base = self._base
        operands = [x for event in events for x in event.operands]
        batch = _Batch(
            events[-1].result.id,
            [event.result.code for event in events],
            [x.id for x in operands],
            [x for x in operands if x.id < base and x.id not in self._needed],
            [(event.result.id, event.outside) for event in events if event.outside is not None],
            [(event.result.id, *_packed(event.result)) for event in events if self._full],
            entries,
        )
        self._batches.append(batch)

    def close(self, status: str, seen: int) -> None:
        """End the file. status: how the run ended ("complete", "interrupted", "failed"). seen: its steps, also those
        that were not to be recorded.

        A writer that was interrupted or failed in the middle of a step ends it after the last committed one. Raises
        RecordingError if the last step cannot be written.
        """
        self._own()
        try:
            if self._batches and not self._failed:
                self._end_step(commit=True)
            elif status == "complete" and self._failed:  # and the run went on
                status = "failed"
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            raise
        finally:
            # where a step could not be written, the ending often cannot either, but that says no more
            with contextlib.suppress(RecordingError, sqlite3.Error) if self._failed else contextlib.nullcontext():
                self._end(status, seen)

    # ----------------------------------------------------------------------------------------------------

    def _end(self, status: str, seen: int) -> None:
        """Write the ending of what the file holds, make it one file again, and seal it."""
        alone = False
        with contextlib.closing(self._db) as db:
            if db.in_transaction:
                db.execute("ROLLBACK")
            last = db.execute("SELECT id, first_event + events - 1, chain FROM step ORDER BY id DESC LIMIT 1")
            steps, events, chain = last.fetchone() or (0, 0, self._beginning)
            said = (status, steps, events, seen)
            self._write({"ending": [(1, *said, closed(chain, said))]})
            with contextlib.suppress(sqlite3.Error):  # somebody reads it just now: it stays three files, and no seal
                alone = db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
        if alone:
            try:
                seal(self._path)
            except OSError as error:
                raise RecordingError(f"{self._path}: complete, but not sealed ({error.strerror})") from error

    def _end_step(self, commit: bool) -> None:
        """Put the step and what came with it into rows, extend the chain, commit now and then.

        Interrupted in the middle, the writer has failed: what it holds would not fit together.
        """
        assert self._moment is not None
        self._failed = True
        step, entries = self._step, [entry for batch in self._batches for entry in batch.entries]
        complete = bool(entries) and self._batches[-1].last == self._first_event + len(entries) - 1
        self._within(complete, f"events of step {step} are missing, for the run went on after an interrupt")
        linked = self._extras(step)
        codes = [code for batch in self._batches for code in batch.codes]
        operands = [x for batch in self._batches for x in batch.operands]
        plan = self._plans.number(step, self._first_event, self._previous, codes, operands)
        for name, rows in (("code", self._plans.codes), ("plan", self._plans.plans)):
            linked[name] = rows[:]
            self._pending[name] += rows
            rows.clear()
        figures = text_of(entries)
        self._within(len(figures) <= MAX_TEXT, f"step {step} has {len(entries)} events; call `now` more often")
        row = (step, *self._moment, plan, self._first_event, len(entries))
        self._chain = extended(self._chain, figures, row, [linked[name] for name in EXTRAS])
        self._pending["step"].append((*row, figures, self._chain))
        self._previous = self._first_event
        self._first_event += len(entries)
        self._batches = []
        self._step += 1
        if self._step % INTERVAL == 1:
            self._base, self._needed = self._first_event, set()
        self._store(commit, step)
        self._failed = False

    def _extras(self, step: int) -> dict[str, list[Row]]:
        """Rows of the values that came with the step, to be written; returned as they are in its link."""
        linked: dict[str, list[Row]] = {name: [] for name in EXTRAS}

        def add(table: str, row: Row, data: bytes, seal: str) -> None:
            self._pending[table].append((*row, data))
            linked[table].append((*row, seal))

        for batch in self._batches:
            for x in batch.old:  # for a replay that starts with the interval
                if x.id not in self._needed:
                    self._needed.add(x.id)
                    self._checkpoints += 1
                    add("checkpoint", (self._checkpoints, step, (step - 1) // INTERVAL, x.id), *_packed(x))
            for identity, outside in batch.leaves:
                dtype, shape, numbers, seal = self._leaves.add(outside)
                add("leaf", (identity, step, dtype, shape), numbers, seal)
            for identity, packed, seal in batch.results:
                add("result", (identity, step), packed, seal)
        return linked

    def _store(self, commit: bool, step: int) -> None:
        """Take the blocks that are complete, all of them for a commit; write what is pending."""
        for block in self._leaves.blocks(rest=commit):
            self._blocks += 1
            self._pending["block"].append((self._blocks, step, *block))
        if commit:
            self._write(self._pending)
            for rows in self._pending.values():
                rows.clear()
            self._committed = time.monotonic()

    def _write(self, tables: Mapping[str, list[Row]]) -> None:
        """Insert rows in one transaction."""
        try:
            self._db.execute("BEGIN")
            for name, rows in tables.items():
                self._db.executemany(INSERT[name], rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise RecordingError(
                f"{self._path}: cannot be written any further ({error}); the steps before stay readable: free some "
                "space, or record fewer (--trace-steps)"
            ) from error

    def _within(self, good: bool, problem: str) -> None:
        """Refuse to write what no reader would take."""
        if not good:
            raise RecordingError(f"{self._path}: {problem}; no trace takes that")

    def _own(self) -> None:
        """Refuse to go on in another process, or another thread, than the one that began: two would mix their steps."""
        process, thread = self._owner
        if process != os.getpid():
            raise RecordingError(
                f"{self._path}: process {process} records it; this is process {os.getpid()}, a copy, of which nothing "
                "is written; begin a recording of its own there"
            )
        if thread != threading.get_ident():
            raise RecordingError(
                f"{self._path}: a recording goes on in the thread that began it, not in "
                f"{threading.current_thread().name}"
            )


def _packed(x: Handle) -> tuple[bytes, str]:
    """The register contents, compressed, and their seal."""
    contents = registers(x.value, x.code.to.word).tobytes()
    return zlib.compress(contents, 1), sealed(contents)
