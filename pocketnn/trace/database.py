"""Opening a trace's SQLite file from a stranger, and turning SQLite's complaints into ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

from pocketnn.arith import SEMANTICS, op_table_digest
from pocketnn.errors import CorruptError, DataError, VersionError
from pocketnn.trace.schema import APPLICATION_ID, FORMATS, MAX_TEXT, columns_of, schema_of

__all__ = ["Database", "corruption", "is_trace"]

_LONGEST = 1 << 28  # bytes of one text or blob
_NULLABLE = ("a", "b", "c")  # of table plan
_TYPES = {
    ("INTEGER", False): "'integer'",
    ("INTEGER", True): "'integer','null'",
    ("TEXT", False): "'text'",
    ("BLOB", False): "'blob'",
}
_MAGIC = b"SQLite format 3\0"
_LOGGED = bytes([2, 2])  # bytes 18 and 19 of a file that is written by a write-ahead log


@contextlib.contextmanager
def corruption(path: Path) -> Iterator[None]:
    """What SQLite, a decoder or a missing piece raises inside becomes a CorruptError that names the file."""
    try:
        yield
    except CorruptError as error:
        text = str(error)
        raise error if text.startswith(str(path)) else CorruptError(f"{path}: {text}") from error
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        raise CorruptError(f"{path}: damaged: {error}") from error


def is_trace(path: Path) -> bool:
    """Whether the file begins like an SQLite database, as every trace does."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


class Database:
    """A trace's tables, read as they are at the moment of opening, even if the run goes on.

    format: its number. missing: in words, that its write-ahead log may have been left behind; None if it was not.

    Raises DataError if the file is no SQLite database or no trace, VersionError for another format or semantics,
    CorruptError if its schema is not the one that pocketnn writes.
    """

    def __init__(self, path: Path) -> None:
        if not is_trace(path):
            reason = "not a trace (no SQLite file)" if path.exists() else "there is no such file"
            raise DataError(f"{path}: {reason}; name a file that --trace wrote")
        self.path = path
        log = Path(f"{path}-wal")
        with path.open("rb") as file:
            logged = file.read(20)[18:] == _LOGGED
        alone = logged and not (log.exists() and log.stat().st_size)
        self.missing = f"{log.name} is not beside it: copy it too, if it is there" if alone else None
        self._db = _alone(path) if alone and not Path(f"{path}-shm").exists() else _connected(path, logged, alone)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        with self.opening():
            self._check()

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Close the file if it cannot be read, and say what may have been left behind."""
        try:
            with corruption(self.path):
                yield
        except BaseException as error:
            self.close()
            if self.missing and isinstance(error, CorruptError):
                raise CorruptError(f"{error}; {self.missing}") from error
            raise

    def close(self) -> None:
        """Close the file, also where somebody stopped in the middle of its rows: else SQLite would keep it locked."""
        for cursor in list(self._cursors):
            cursor.close()
        self._db.close()

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query on the file's tables."""
        with corruption(self.path):
            cursor = self._db.execute(query, values)
            self._cursors.add(cursor)
            for row in cursor:  # noqa: UP028  # `yield from` closes the cursor after the file
                yield row

    def _check(self) -> None:
        db, path = self._db, self.path
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("BEGIN")
        ((application,),) = db.execute("PRAGMA application_id")
        ((self.format,),) = db.execute("PRAGMA user_version")
        if application != APPLICATION_ID:
            raise DataError(f"{path}: an SQLite file, but not a trace (application id {application:#x})")
        if self.format not in FORMATS:
            known = " and ".join(map(str, FORMATS))
            raise VersionError(f"{path}: trace format {self.format}; this release reads {known}")
        found, expected = {sql for (sql,) in db.execute(_STATEMENTS)}, set(schema_of(self.format))
        if found != expected:
            odd = sorted(found ^ expected, key=str)[0]
            raise CorruptError(f"{path}: its tables are not those of a trace: {str(odd)[:80]!r}")
        for table, columns in columns_of(self.format).items():
            _check_types(db, table, columns)
        header = dict(db.execute("SELECT key, value FROM header"))
        for key, ours in (("semantics", str(SEMANTICS)), ("ops", op_table_digest())):
            if header.get(key) != ours:
                raise VersionError(
                    f"{path}: recorded with {key} {str(header.get(key))[:20]!r}, this release has {ours[:20]!r}; "
                    f"use the pocketnn that wrote it ({str(header.get('pocketnn'))[:20]!r})"
                )


_STATEMENTS = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"


def _connected(path: Path, logged: bool, alone: bool) -> sqlite3.Connection:
    """A read-only connection. Raises DataError for a file with a log where nothing can be written: SQLite needs to."""
    db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("PRAGMA application_id").fetchone()
    except sqlite3.OperationalError:
        if not logged:
            return db  # which says what is wrong when it is asked again
        db.close()
        if alone:
            return _alone(path)
        raise DataError(
            f"{path}: its run was cut off or goes on, and its log {path.name}-wal cannot be read where nothing can be "
            "written; copy both to a folder that can be written to"
        ) from None
    except sqlite3.Error:
        pass
    return db


def _alone(path: Path) -> sqlite3.Connection:
    """A connection to a file without its log, as it is; nothing is made beside it."""
    return sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _check_types(db: sqlite3.Connection, table: str, columns: str) -> None:
    """Refuse values of another type than their column says: SQLite itself takes any, anywhere."""
    pairs = [column.split(" ")[:2] for column in columns.split(", ")]
    odd = " OR ".join(f"typeof({name}) NOT IN ({_TYPES[kind, name in _NULLABLE]})" for name, kind in pairs)
    if db.execute(f"SELECT 1 FROM {table} WHERE {odd} LIMIT 1").fetchone():
        raise CorruptError(f"table {table} holds a value of a type that its column does not have")
    texts = [name for name, kind in pairs if kind == "TEXT"]
    long = " OR ".join(f"length({name}) > {MAX_TEXT}" for name in texts)
    if long and db.execute(f"SELECT 1 FROM {table} WHERE {long} LIMIT 1").fetchone():
        raise CorruptError(f"table {table} holds a text of more than {MAX_TEXT} characters")
