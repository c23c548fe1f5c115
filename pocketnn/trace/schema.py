"""The trace file: version, tables and column order. `traces/FORMAT.md` documents every column."""

from __future__ import annotations

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "FORMAT",
    "FORMATS",
    "INTERVAL",
    "MAX_ELEMENTS",
    "MAX_TEXT",
    "columns_of",
    "schema_of",
]

FORMAT = 2  # raised whenever a reader of the old format would misread the new one
FORMATS = (1, FORMAT)  # that are read
APPLICATION_ID = 0x706E6E74  # "pnnt", in the SQLite header, so that `file` can tell a trace
INTERVAL = 1000  # steps between checkpoints; replay starts at one, so this is the most it does before a spot check
MAX_TEXT = 1 << 24  # characters of one text; as parsed JSON it takes up to twenty times the memory
MAX_ELEMENTS = 1 << 24  # of one value; a batch of 500 images of MNIST has 392,000

# Column order is the order in which the hash chain reads a row.
COLUMNS: dict[str, str] = {
    "header": "key TEXT PRIMARY KEY, value TEXT",
    "code": "id INTEGER PRIMARY KEY, step INTEGER, op TEXT, site TEXT, role TEXT, bits INTEGER, overflow TEXT, "
    "params TEXT, shape TEXT",
    "plan": "id INTEGER PRIMARY KEY, step INTEGER, plan INTEGER, position INTEGER, code INTEGER, a INTEGER, b INTEGER, "
    "c INTEGER",
    "step": "id INTEGER PRIMARY KEY, phase TEXT, epoch INTEGER, number INTEGER, plan INTEGER, first_event INTEGER, "
    "events INTEGER, figures TEXT, chain BLOB",
    "leaf": "event INTEGER PRIMARY KEY, step INTEGER, dtype TEXT, shape TEXT, rows BLOB",
    "block": "id INTEGER PRIMARY KEY, step INTEGER, first_row INTEGER, lengths BLOB, data BLOB",
    "checkpoint": "id INTEGER PRIMARY KEY, step INTEGER, interval INTEGER, event INTEGER, data BLOB",
    "result": "event INTEGER PRIMARY KEY, step INTEGER, data BLOB",
    "ending": "id INTEGER PRIMARY KEY, status TEXT, steps INTEGER, events INTEGER, seen INTEGER, chain BLOB",
}

_FLAGS = ("events", "elements", "transient", "corrupted", "vanished", "zero_divisions")
_OPERANDS = ", ".join(
    f"CASE WHEN plan.{x} < 0 THEN step.first_event + plan.position + plan.{x} ELSE plan.{x} END AS {x}" for x in "abc"
)


def _figure(position: int) -> str:
    return f"json_extract(f.value, '$[{position}]')"


_VIEW = (
    "CREATE VIEW event AS SELECT step.first_event + plan.position AS id, step.id AS step, step.phase, step.epoch, "
    f"step.number, code.site, code.op, code.role, code.bits, code.overflow, code.shape, {_OPERANDS}, "
    f"{_figure(0)} AS lo, {_figure(1)} AS hi, "
    f"coalesce({_figure(3)}, {_figure(0)}) AS least, coalesce({_figure(4)}, {_figure(1)}) AS most, "
    + ", ".join(f"coalesce({_figure(position)}, 0) AS {name}" for position, name in enumerate(_FLAGS, 5))
    + f", {_figure(11)} AS first, {_figure(2)} AS digest FROM step JOIN json_each(step.figures) AS f "
    "JOIN plan ON plan.plan = step.plan AND plan.position = f.key JOIN code ON code.id = plan.code"
)


def columns_of(number: int) -> dict[str, str]:
    """The tables of a format, and their columns."""
    return COLUMNS if number != 1 else {**COLUMNS, "ending": COLUMNS["ending"].replace(" seen INTEGER,", "")}


def schema_of(number: int) -> tuple[str, ...]:
    """The statements that make an empty file of a format."""
    return (
        *(f"CREATE TABLE {name} ({columns})" for name, columns in columns_of(number).items()),
        "CREATE UNIQUE INDEX plan_position ON plan (plan, position)",
        _VIEW,
    )
