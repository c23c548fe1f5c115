"""Writer: a sink that puts a recorded program into a trace file (SQLite), step by step."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
import zlib
from collections.abc import Mapping, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from pocketnn.arith import OPS
from pocketnn.errors import RecordingError, UsageError
from pocketnn.trace.chain import EXTRAS, beginning, closed, extended
from pocketnn.trace.digest import registers
from pocketnn.trace.event import Code, Event, Handle, Moment, params_to_text
from pocketnn.trace.figures import text_of
from pocketnn.trace.leaves import LeafWriter
from pocketnn.trace.schema import APPLICATION_ID, COLUMNS, FORMAT, INTERVAL, MAX_ELEMENTS, MAX_TEXT, schema_of

__all__ = ["Writer"]

_LOAD = OPS["load"]
_PAGE = 1 << 14  # bytes; a step's row takes over half of SQLite's usual 4096, so a quarter of the file would be empty
_STEPS, _SECONDS = 64, 1.0  # a commit at least this often, whichever comes first
_INSERT = {
    name: f"INSERT INTO {name} VALUES ({','.join('?' * (columns.count(', ') + 1))})"
    for name, columns in COLUMNS.items()
}

Row = tuple[Any, ...]


class _Batch(NamedTuple):
    """What is kept of events that followed on each other; their values are let go of.

    last: id of the last. operands: ids, one event's after the other's. old: those of them that are from before the
    interval. leaves: ids and integers from outside. results: ids and compressed contents, if they are stored.
    """

    last: int
    codes: list[Code]
    operands: list[int]
    old: list[Handle]
    leaves: list[tuple[int, Any]]
    results: list[tuple[int, bytes]]
    entries: Sequence[list[Any]]


class Writer:
    """Creates the trace file at `path` and writes what a Recorder tells it.

    header: what the run is, texts by name. full: store every result too. After a crash or a kill every committed step
    is in the file and its `ending` is missing; `close` writes one. Raises UsageError if the file exists, RecordingError
    if it cannot be written; what was committed before stays readable.
    """

    def __init__(self, path: Path, header: Mapping[str, str], full: bool = False) -> None:
        rows = sorted(header.items())
        self._path = path
        self._db = _created(path, rows)
        self._failed = False
        self._full = full
        self._chain = self._beginning = beginning(rows)
        self._leaves = LeafWriter()
        self._ids = dict.fromkeys(EXTRAS, 0)
        self._codes: dict[Code, int] = {}
        self._plans: dict[tuple[Row, ...], int] = {}
        self._latest: tuple[list[Code], list[int], int] | None = None
        self._moment: Moment | None = None
        self._step = 1
        self._batches: list[_Batch] = []
        self._first_event = self._previous = 1
        self._base = 1
        self._needed: set[int] = set()
        self._extras: dict[str, list[Row]] = {name: [] for name in EXTRAS}
        self._pending: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._committed = time.monotonic()

    def step(self, moment: Moment) -> None:
        """A new step begins; the one before it is complete. Raises RecordingError, also where that could not be written
        before and the run went on."""
        self._within(not self._failed, f"step {self._step} was not written, and the run went on")
        if self._batches:
            self._end_step(self._step % _STEPS == 0 or time.monotonic() - self._committed > _SECONDS)
        self._moment = moment

    def events(self, events: Sequence[Event], entries: Sequence[list[Any]]) -> None:
        """See Sink."""
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
            [(event.result.id, _packed(event.result)) for event in events if self._full],
            entries,
        )
        self._batches.append(batch)

    def close(self, status: str, seen: int) -> None:
        """End the file. status: how the run ended ("complete", "interrupted", "failed"). seen: its steps, also those
        that were not to be recorded.

        A writer that was interrupted or failed in the middle of a step ends it after the last committed one. Raises
        RecordingError if the last step cannot be written.
        """
        try:
            if self._batches and not self._failed:
                self._end_step(commit=True)
            elif status == "complete" and self._failed:  # and the run went on
                status = "failed"
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            raise
        finally:
            with contextlib.closing(self._db):
                self._end(status, seen)

    # ----------------------------------------------------------------------------------------------------

    def _end(self, status: str, seen: int) -> None:
        """Write the ending of what the file holds, and make it one file again.

        Where a step could not be written, the ending often cannot either, but that says no more.
        """
        with contextlib.suppress(RecordingError, sqlite3.Error) if self._failed else contextlib.nullcontext():
            self._write_end(status, seen)

    def _write_end(self, status: str, seen: int) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        last = self._db.execute("SELECT id, first_event + events - 1, chain FROM step ORDER BY id DESC LIMIT 1")
        steps, events, chain = last.fetchone() or (0, 0, self._beginning)
        said = (status, steps, events, seen)
        self._write({"ending": [(1, *said, closed(chain, said))]})
        with contextlib.suppress(sqlite3.Error):  # somebody reads it just now: it stays three files, and as good
            self._db.execute("PRAGMA journal_mode=DELETE")

    def _end_step(self, commit: bool) -> None:
        """Put the step and what came with it into rows, extend the chain, commit now and then.

        Interrupted in the middle, the writer has failed: what it holds would not fit together.
        """
        assert self._moment is not None
        self._failed = True
        extras, step = self._extras, self._step
        entries: list[list[Any]] = []
        for batch in self._batches:
            entries += batch.entries
            for x in batch.old:
                self._checkpoint(x)
            extras["leaf"] += [(identity, step, *self._leaves.add(outside)) for identity, outside in batch.leaves]
            extras["result"] += [(identity, step, packed) for identity, packed in batch.results]
        complete = bool(entries) and self._batches[-1].last == self._first_event + len(entries) - 1
        self._within(complete, f"events of step {step} are missing, for the run went on after an interrupt")
        plan = self._plan()
        figures = text_of(entries)
        self._within(len(figures) <= MAX_TEXT, f"step {step} has {len(entries)} events; call `now` more often")
        for block in self._leaves.blocks(rest=commit):
            extras["block"].append((self._next("block"), step, *block))
        row = (step, *self._moment, plan, self._first_event, len(entries))
        rows = [extras[name] for name in EXTRAS]
        self._chain = extended(self._chain, figures, row, rows)
        self._pending["step"].append((*row, figures, self._chain))
        for name, new in zip(EXTRAS, rows, strict=True):
            self._pending[name] += new
            extras[name] = []
        self._previous = self._first_event
        self._first_event += len(entries)
        self._batches = []
        self._step += 1
        if self._step % INTERVAL == 1:
            self._base, self._needed = self._first_event, set()
        if commit:
            self._commit()
        self._failed = False

    def _commit(self) -> None:
        self._write(self._pending)
        for rows in self._pending.values():
            rows.clear()
        self._committed = time.monotonic()

    def _write(self, tables: Mapping[str, list[Row]]) -> None:
        """Insert rows in one transaction."""
        try:
            self._db.execute("BEGIN")
            for name, rows in tables.items():
                self._db.executemany(_INSERT[name], rows)
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

    def _next(self, table: str) -> int:
        self._ids[table] += 1
        return self._ids[table]

    def _plan(self) -> int:
        """The number of the step's static part, which is that of the step before nearly always: the same codes, and
        operands as far back. To see that takes a fifth of the time that putting the plan's rows together does."""
        first, previous = self._first_event, self._previous
        codes = [code for batch in self._batches for code in batch.codes]
        # of this step or the one before it: how far from its beginning; older ones: their ids
        operands = [
            (x - first) << 1 if x >= previous else x << 1 | 1 for batch in self._batches for x in batch.operands
        ]
        latest = self._latest
        if latest is None or latest[0] != codes or latest[1] != operands:
            latest = self._latest = codes, operands, self._new_plan(codes)
        return latest[2]

    def _new_plan(self, codes: list[Code]) -> int:
        """The number of a static part that is not that of the step before; a new one becomes rows of the step."""
        plan = []
        operands = iter([x for batch in self._batches for x in batch.operands])
        for identity, code in enumerate(codes, start=self._first_event):
            # how far back if they are of this step or the one before it (negative), else their ids
            own = islice(operands, 0 if code.op is _LOAD else code.op.arity)
            references = [x - identity if x >= self._previous else x for x in own]
            plan.append((self._number(code), *references))
        number = self._plans.get(tuple(plan))
        if number is None:
            number = self._plans[tuple(plan)] = len(self._plans) + 1
            for position, row in enumerate(plan):
                code_and_operands = *row, *[None] * (4 - len(row))
                self._extras["plan"].append((self._next("plan"), self._step, number, position, *code_and_operands))
        return number

    def _number(self, code: Code) -> int:
        """The code's id; a new one becomes a row of the step."""
        number = self._codes.get(code)
        if number is None:
            number = self._codes[code] = self._next("code")
            op, site, to, params, shape = code
            text = params_to_text(op, params)
            self._within(site.isprintable(), f"site {site!r} has characters that cannot be printed")
            self._within(len(text) <= MAX_TEXT, f"site {site}: the parameters of {op.name} are too long")
            self._within(prod(shape) <= MAX_ELEMENTS, f"site {site}: {shape} has more than {MAX_ELEMENTS} elements")
            register = to.role.value, to.word.bits, to.overflow.value
            self._extras["code"].append((number, self._step, op.name, site, *register, text, json.dumps(shape)))
        return number

    def _checkpoint(self, x: Handle) -> None:
        """Store a value from before this interval, for a replay that starts with the interval."""
        if x.id not in self._needed:
            self._needed.add(x.id)
            interval = (self._step - 1) // INTERVAL
            self._extras["checkpoint"].append((self._next("checkpoint"), self._step, interval, x.id, _packed(x)))


def _packed(x: Handle) -> bytes:
    """The register contents, compressed."""
    return zlib.compress(registers(x.value, x.code.to.word).tobytes(), 1)


def _created(path: Path, header: list[tuple[str, str]]) -> sqlite3.Connection:
    """A new trace file with its tables and header; it appears with them, so that a kill leaves no half of one."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as image:
        image.execute(f"PRAGMA page_size={_PAGE}")
        image.execute(f"PRAGMA application_id={APPLICATION_ID}")
        image.execute(f"PRAGMA user_version={FORMAT}")
        for statement in schema_of(FORMAT):
            image.execute(statement)
        image.executemany(_INSERT["header"], header)
        start = bytearray(image.serialize())
    # Write-ahead logging from the start (SQLite file format, 1.3.3): switching to it could be cut off.
    start[18:20] = bytes([2, 2])
    advice = "name a file in a folder that exists and can be written to, with space in it"
    try:
        with path.open("xb", buffering=0) as file:
            written = file.write(start)
    except FileExistsError as error:
        raise UsageError(f"{path}: exists; a trace is never overwritten: remove it or name another file") from error
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written ({error.strerror}); {advice}") from error
    if written != len(start):
        path.unlink(missing_ok=True)
        raise RecordingError(f"{path}: cannot be written (no space left); {advice}")
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise RecordingError(f"{path}: cannot be written ({error}); {advice}") from error
    return db
