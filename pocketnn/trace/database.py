"""Opening a trace's SQLite file from a stranger, and turning SQLite's complaints into ours."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pocketnn.arith import SEMANTICS, op_table_digest
from pocketnn.errors import CorruptError, DataError, VersionError
from pocketnn.trace.schema import APPLICATION_ID, FORMAT, SCHEMA

__all__ = ["corruption", "is_trace", "opened"]

_LONGEST = 1 << 28  # bytes of one text or blob
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
        raise DataError(f"{path}: " + ("not a trace (no SQLite file)" if path.is_file() else "there is no such file"))
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
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
    ((application,),) = db.execute("PRAGMA application_id")
    ((version,),) = db.execute("PRAGMA user_version")
    if application != APPLICATION_ID:
        raise DataError(f"{path}: an SQLite file, but not a trace (application id {application:#x})")
    if version != FORMAT:
        raise VersionError(f"{path}: trace format {version}; this release reads format {FORMAT}")
    found = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != set(SCHEMA):
        odd = sorted(found ^ set(SCHEMA), key=str)[0]
        raise CorruptError(f"{path}: its tables are not those of a trace: {str(odd)[:80]!r}")
    header = dict(db.execute("SELECT key, value FROM header"))
    for key, ours in (("semantics", str(SEMANTICS)), ("ops", op_table_digest())):
        if header.get(key) != ours:
            raise VersionError(
                f"{path}: recorded with {key} {str(header.get(key))[:20]!r}, this release has {ours[:20]!r}; "
                f"use the pocketnn that wrote it ({str(header.get('pocketnn'))[:20]})"
            )
