"""A new trace file: its tables and header, in place at once."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pocketnn.errors import RecordingError, UsageError
from pocketnn.trace.schema import APPLICATION_ID, COLUMNS, FORMAT, schema_of
from pocketnn.trace.seal import PAGE, ROOM

__all__ = ["INSERT", "created"]

INSERT = {
    name: f"INSERT INTO {name} VALUES ({','.join('?' * (columns.count(', ') + 1))})"
    for name, columns in COLUMNS.items()
}
_ADVICE = "name a file in a folder that exists and can be written to, with space in it"


def created(path: Path, header: Sequence[tuple[str, str]]) -> sqlite3.Connection:
    """A new trace file with its tables and header; it appears with them, so that a kill leaves no half of one.

    Raises UsageError if the file exists, RecordingError if it cannot be written.
    """
    start = _image(header)
    try:
        with path.open("xb", buffering=0) as file:
            written = file.write(start)
    except FileExistsError as error:
        raise UsageError(f"{path}: exists; a trace is never overwritten: remove it or name another file") from error
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written ({error.strerror}); {_ADVICE}") from error
    if written != len(start):
        path.unlink(missing_ok=True)
        raise RecordingError(f"{path}: cannot be written (no space left); {_ADVICE}")
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise RecordingError(f"{path}: cannot be written ({error}); {_ADVICE}") from error
    return db


def _image(header: Sequence[tuple[str, str]]) -> bytes:
    """The bytes of such a file (SQLite file format, 1.3)."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as image:
        image.execute(f"PRAGMA page_size={PAGE}")
        image.execute(f"PRAGMA application_id={APPLICATION_ID}")
        image.execute(f"PRAGMA user_version={FORMAT}")
        empty = bytearray(image.serialize())
    empty[20] = ROOM
    empty[105:107] = (PAGE - ROOM).to_bytes(2, "big")  # where the first page's cells begin: behind its end, it has none
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as image:
        image.deserialize(bytes(empty))
        for statement in schema_of(FORMAT):
            image.execute(statement)
        image.executemany(INSERT["header"], header)
        start = bytearray(image.serialize())
    start[18:20] = bytes([2, 2])  # write-ahead logging from the start: switching to it could be cut off
    return bytes(start)
