"""The trace file: version, tables and column order. `traces/FORMAT.md` documents every column."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "COLUMNS", "FORMAT", "SCHEMA", "TABLES"]

FORMAT = 1  # raised whenever a reader of the old format would misread the new one
APPLICATION_ID = 0x706E6E74  # "pnnt", in the SQLite header, so that `file` can tell a trace

# Column order is the order in which the hash chain reads a row.
COLUMNS: dict[str, str] = {
    "header": "key TEXT PRIMARY KEY, value TEXT",
    "code": "id INTEGER PRIMARY KEY, step INTEGER, op TEXT, site TEXT, role TEXT, bits INTEGER, overflow TEXT, "
    "params TEXT, shape TEXT",
    "step": "id INTEGER PRIMARY KEY, phase TEXT, epoch INTEGER, number INTEGER, first_event INTEGER, "
    "events INTEGER, chain BLOB",
    "event": "id INTEGER PRIMARY KEY, step INTEGER, code INTEGER, a INTEGER, b INTEGER, c INTEGER, lo INTEGER, "
    "hi INTEGER, least INTEGER, most INTEGER, events INTEGER, elements INTEGER, transient INTEGER, "
    "corrupted INTEGER, vanished INTEGER, zero_divisions INTEGER, first INTEGER, digest INTEGER",
    "leaf": "event INTEGER PRIMARY KEY, step INTEGER, dtype TEXT, shape TEXT, rows BLOB",
    "block": "id INTEGER PRIMARY KEY, step INTEGER, first_row INTEGER, lengths BLOB, data BLOB",
    "checkpoint": "id INTEGER PRIMARY KEY, step INTEGER, interval INTEGER, event INTEGER, data BLOB",
    "result": "event INTEGER PRIMARY KEY, step INTEGER, data BLOB",
    "ending": "id INTEGER PRIMARY KEY, status TEXT, steps INTEGER, events INTEGER, chain BLOB",
}
TABLES = tuple(COLUMNS)

_VIEW = """CREATE VIEW events AS
SELECT event.id, step.phase, step.epoch, step.number, code.site, code.op, code.role, code.bits, code.overflow,
  code.shape, event.a, event.b, event.c, event.lo, event.hi, coalesce(event.least, event.lo) AS least,
  coalesce(event.most, event.hi) AS most, coalesce(event.events, 0) AS events,
  coalesce(event.elements, 0) AS elements, coalesce(event.transient, 0) AS transient,
  coalesce(event.corrupted, 0) AS corrupted, coalesce(event.vanished, 0) AS vanished,
  coalesce(event.zero_divisions, 0) AS zero_divisions, event.first, event.digest
FROM event JOIN step ON step.id = event.step JOIN code ON code.id = event.code"""

SCHEMA: tuple[str, ...] = (*(f"CREATE TABLE {name} ({columns})" for name, columns in COLUMNS.items()), _VIEW)
