"""Writer: a sink that puts a recorded program into a trace file (SQLite), step by step."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pocketnn.arith import CLEAN
from pocketnn.errors import UsageError
from pocketnn.trace.chain import beginning, extended
from pocketnn.trace.digest import digest, registers
from pocketnn.trace.event import Code, Event, Handle, Moment, params_to_text
from pocketnn.trace.leaves import LeafWriter
from pocketnn.trace.schema import APPLICATION_ID, COLUMNS, FORMAT, SCHEMA

__all__ = ["INTERVAL", "Writer"]

INTERVAL = 1000  # steps between checkpoints; replay starts at one, so this is the most it does before a spot check
_STEPS, _SECONDS = 64, 1.0  # a commit at least this often, whichever comes first
_INT64 = 1 << 63
_INSERT = {
    name: f"INSERT INTO {name} VALUES ({','.join('?' * (columns.count(', ') + 1))})"
    for name, columns in COLUMNS.items()
}
_EXTRAS = ("code", "leaf", "block", "checkpoint", "result")  # in the chain's order

Row = tuple[Any, ...]


def _stored(number: int) -> int | str:
    """A range bound as SQLite can hold it: an integer up to 64 bits, beyond that its decimal digits."""
    return number if -_INT64 <= number < _INT64 else str(number)


class Writer:
    """Creates the trace file at `path` and writes what a Recorder tells it.

    header: what the run is, texts by name. full: store every result too. After a crash or a kill every committed step is
    in the file and its `ending` is missing; `close` writes one. Raises UsageError if the file exists, OSError and
    sqlite3.Error if it cannot be written.
    """

    def __init__(self, path: Path, header: Mapping[str, str], full: bool = False) -> None:
        if path.exists():
            raise UsageError(f"{path}: exists; a trace is never overwritten: remove it or name another file")
        self._full = full
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version={FORMAT}")
            self._db.execute("BEGIN")
            for statement in SCHEMA:
                self._db.execute(statement)
            rows = sorted(header.items())
            self._db.executemany(_INSERT["header"], rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.close()
            path.unlink(missing_ok=True)
            raise
        self._chain = beginning(rows)
        self._leaves = LeafWriter()
        self._ids = dict.fromkeys(("code", "block", "checkpoint"), 0)
        self._codes: dict[Code, int] = {}
        self._code_ids: dict[int, tuple[int, Code]] = {}
        self._moment: Moment | None = None
        self._step = 0
        self._events: list[Row] = []
        self._first_event = 1
        self._count = 0
        self._extras: dict[str, list[Row]] = {name: [] for name in _EXTRAS}
        self._base = 1
        self._needed: dict[int, Handle] = {}
        self._pending: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._committed = time.monotonic()

    def step(self, moment: Moment) -> None:
        """A new step begins; the one before it is complete."""
        if self._moment is not None:
            self._end_step(commit=False)
            if self._step % INTERVAL == 0:
                self._base, self._needed = self._count + 1, {}
        self._step += 1
        self._moment = moment

    def event(self, event: Event) -> None:
        """One more event of the step."""
        result, operands, outside, flags, span = event
        self._count = identity = result.id
        code = result.code
        known = self._code_ids.get(id(code))
        number = known[0] if known is not None else self._number(code)
        for x in operands:
            if x.id < self._base and x.id not in self._needed:
                self._checkpoint(x)
        if outside is not None:
            self._extras["leaf"].append((identity, self._step, *self._leaves.add(outside)))
        contents = registers(result.value, code.to.word)
        if self._full:
            self._extras["result"].append((identity, self._step, zlib.compress(contents.tobytes(), 1)))
        if span is None:
            lo = hi = least = most = None
        else:
            lo, hi, least, most = span
            if (least, most) == (lo, hi):
                least = most = None
            if code.to.word.bits > 31:  # sums of products of narrower registers fit SQLite's 64 bits
                lo, hi, least, most = (None if x is None else _stored(x) for x in (lo, hi, least, most))  # type: ignore[assignment]
        a, b, c = [x.id for x in operands] + [None] * (3 - len(operands))
        counts = (None,) * 7 if flags == CLEAN else tuple(flags)
        self._events.append(
            (identity, self._step, number, a, b, c, lo, hi, least, most, *counts, digest(contents))
        )  # fmt: skip

    def close(self, status: str) -> None:
        """End the file: `status` says how the run ended ("complete", "interrupted", "failed")."""
        try:
            if self._moment is not None:
                self._end_step(commit=True)
            self._db.execute(_INSERT["ending"], (1, status, self._step, self._count, self._chain))
            self._db.execute("PRAGMA journal_mode=DELETE")  # one file again
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Leave the file as its last commit left it."""
        self._db.close()

    # ----------------------------------------------------------------------------------------------------

    def _next(self, table: str) -> int:
        self._ids[table] += 1
        return self._ids[table]

    def _number(self, code: Code) -> int:
        """The code's id; a new one becomes a row of the step."""
        number = self._codes.get(code)
        if number is None:
            number = self._codes[code] = self._next("code")
            op, site, to, params, shape = code
            self._extras["code"].append(
                (number, self._step, op.name, site, to.role.value, to.word.bits, to.overflow.value,
                 params_to_text(op, params), json.dumps(shape))
            )  # fmt: skip
        self._code_ids[id(code)] = (number, code)  # the code is kept, so that its id stays its own
        return number

    def _checkpoint(self, x: Handle) -> None:
        """Store a value from before this interval, for a replay that starts with the interval."""
        self._needed[x.id] = x
        data = zlib.compress(registers(x.value, x.code.to.word).tobytes(), 1)
        interval = (self._step - 1) // INTERVAL
        self._extras["checkpoint"].append((self._next("checkpoint"), self._step, interval, x.id, data))

    def _end_step(self, commit: bool) -> None:
        now = time.monotonic()
        commit = commit or self._step % _STEPS == 0 or now - self._committed > _SECONDS
        if commit or self._leaves.full:
            block = self._leaves.block()
            if block is not None:
                self._extras["block"].append((self._next("block"), self._step, *block))
        assert self._moment is not None
        row = (self._step, *self._moment, self._first_event, len(self._events))
        self._chain = extended(self._chain, row, [self._extras[name] for name in _EXTRAS], self._events)
        pending = self._pending
        pending["step"].append((*row, self._chain))
        pending["event"] += self._events
        for name in _EXTRAS:
            if self._extras[name]:
                pending[name] += self._extras[name]
                self._extras[name] = []
        self._events = []
        self._first_event = self._count + 1
        if commit:
            self._commit()
            self._committed = now

    def _commit(self) -> None:
        self._db.execute("BEGIN")
        for name, rows in self._pending.items():
            if rows:
                self._db.executemany(_INSERT[name], rows)
                rows.clear()
        self._db.execute("COMMIT")
