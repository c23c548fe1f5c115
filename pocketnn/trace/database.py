"""Opening a trace's SQLite file from a stranger, and turning SQLite's complaints into ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pocketnn.arith import SEMANTICS, op_table_digest
from pocketnn.errors import CorruptError, DataError, VersionError
from pocketnn.trace.schema import APPLICATION_ID, FORMATS, MAX_TEXT, columns_of, schema_of

__all__ = ["corruption", "is_trace", "opened"]

_LONGEST = 1 << 28  # bytes of one text or blob
_NULLABLE = ("a", "b", "c")  # of table plan
_TYPES = {
    ("INTEGER", False): "'integer'",
    ("INTEGER", True): "'integer','null'",
    ("TEXT", False): "'text'",
    ("BLOB", False): "'blob'",
}
_MAGIC = b"SQLite format 3\0"


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


def opened(path: Path) -> sqlite3.Connection:
    """A read-only connection to a trace whose schema, format and semantics are this release's.

    Raises DataError if the file is no SQLite database or no trace, VersionError for another format or semantics,
    CorruptError if its schema is not the one that pocketnn writes.
    """
    if not is_trace(path):
        reason = "not a trace (no SQLite file)" if path.exists() else "there is no such file"
        raise DataError(f"{path}: {reason}; name a file that --trace wrote")
    db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, isolation_level=None)
    try:
        with corruption(path):
            _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")
    db.execute("BEGIN")  # everything is read as it is at this moment, even if the run goes on
    ((application,),) = db.execute("PRAGMA application_id")
    ((version,),) = db.execute("PRAGMA user_version")
    if application != APPLICATION_ID:
        raise DataError(f"{path}: an SQLite file, but not a trace (application id {application:#x})")
    if version not in FORMATS:
        raise VersionError(f"{path}: trace format {version}; this release reads {' and '.join(map(str, FORMATS))}")
    found = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != set(schema_of(version)):
        odd = sorted(found ^ set(schema_of(version)), key=str)[0]
        raise CorruptError(f"{path}: its tables are not those of a trace: {str(odd)[:80]!r}")
    for table, columns in columns_of(version).items():
        _check_types(db, table, columns)
    header = dict(db.execute("SELECT key, value FROM header"))
    for key, ours in (("semantics", str(SEMANTICS)), ("ops", op_table_digest())):
        if header.get(key) != ours:
            raise VersionError(
                f"{path}: recorded with {key} {str(header.get(key))[:20]!r}, this release has {ours[:20]!r}; "
                f"use the pocketnn that wrote it ({str(header.get('pocketnn'))[:20]})"
            )


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
