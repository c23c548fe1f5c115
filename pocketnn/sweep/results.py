"""Results of a sweep: a text file of JSON lines, a header that says what is swept and then a line per finished job.

The header names the release and the op table that made the results, too: those of others are not mixed with them.
Each line is on disk (fsync) before the next job is taken; one that was cut off by a kill is dropped when the sweep is
resumed. A line holds the fields of its Job and
run: accuracy, changed predictions, flags, first overflow and where it left the exact run, as in `runs` of an audit
(schema.json of the audit describes it); verdicts: how many sites have which, null for the exact run; bits: what each
role needs by the exact run, null for the others.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from pocketnn import __version__
from pocketnn.arith import MAX_BITS, MIN_BITS, Flags, Overflow, Role, op_table_digest
from pocketnn.audit.verdict import Verdict
from pocketnn.errors import DataError, UsageError, VersionError
from pocketnn.files import naming
from pocketnn.outside import COUNT, Each, check_shape, parse_json
from pocketnn.sweep.plan import Job, Plan

__all__ = ["SCHEMA", "Results", "opened"]

SCHEMA = "pocketnn-sweep/3"
_LARGEST = 1 << 28  # bytes of a file; a line has less than two thousand
_ROLES = frozenset(role.value for role in Role)
_MODES = frozenset(mode.value for mode in Overflow)
_POSITIVE = range(1, 10**40)  # as far as `outside` reads
_WORD = range(MIN_BITS, MAX_BITS + 1)

_CLOCK = {"site": str, "phase": str, "epoch": COUNT, "step": COUNT}
_RUN = {
    "machine": str,
    "word": (None, _WORD),
    "roles": Each(_WORD, _ROLES),
    "overflow": (None, _MODES),
    "emulated": bool,
    "overflowed": bool,
    "scores": {"test_correct": COUNT, "test_total": _POSITIVE, "final_train_correct": COUNT, "train_total": COUNT},
    "changed_predictions": (None, COUNT),
    "flags": {name: COUNT for name in Flags._fields if name != "first"},
    "first_overflow": (None, _CLOCK),
    "left_exact": (None, _CLOCK),
}
_LINE = {
    "word": (None, _WORD),
    "overflow": (None, _MODES),
    "batch": _POSITIVE,
    "lr_inv": (_POSITIVE, [_POSITIVE]),
    "seed": range(10**40),
    "run": _RUN,
    "verdicts": (None, Each(COUNT, frozenset(verdict.value for verdict in Verdict))),
    "bits": (None, Each(COUNT, _ROLES)),
}
"""Shape of a line; see `outside.check_shape`."""


def header(plan: Plan) -> dict[str, Any]:
    """What must be the same for results to belong together."""
    fixed = asdict(plan.recipe)
    for name in ("batch", "lr_inv", "seed"):
        del fixed[name]
    made: dict[str, Any] = {"schema": SCHEMA, "release": __version__, "op_table": op_table_digest()}
    what = {"data": plan.data, "limit": plan.limit, "recipe": json.loads(json.dumps(fixed))}
    return made | what


class Results:
    """The file of one sweep, which no other sweep can open meanwhile. done: the results in it, by their jobs."""

    def __init__(self, path: Path, file: FileIO, done: dict[Job, dict[str, Any]]) -> None:
        self._path, self._file, self.done = path, file, done

    def add(self, job: Job, line: Mapping[str, Any]) -> None:
        """One more result, on disk when this returns."""
        _append(self._path, self._file, line)
        self.done[job] = json.loads(json.dumps(line))  # the same whether it was run now or before


@contextmanager
def opened(path: Path, plan: Plan) -> Iterator[Results]:
    """The results that the file holds; starts it if it is not there, and cuts off a line that is not whole.

    Raises UsageError if it holds another sweep or another process is at work on it, VersionError for results of another
    release or op table, DataError if it holds anything else.
    """
    with path.open("a+b", buffering=0) as file:  # a buffer would be written once more when it is closed
        _lock(path, file)
        file.seek(0)
        content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise DataError(f"{path}: more than {_LARGEST} bytes; no sweep's results are that long")
        whole = content[: content.rfind(b"\n") + 1]
        wanted = header(plan)
        lines = [_object(text, f"{path}:{number}") for number, text in enumerate(whole.split(b"\n")[:-1], start=1)]
        if lines:
            _check_header(path, lines[0], wanted)
        elif not json.dumps(wanted).encode().startswith(content):
            raise DataError(f"{path}: no results of a sweep; its first line is not whole")
        done: dict[Job, dict[str, Any]] = {}
        for number, line in enumerate(lines[1:], start=2):
            job = _job(line, f"{path}:{number}")
            if job in done:
                raise DataError(f"{path}:{number}: a second result of the same job; delete one of the two lines")
            done[job] = line
        if len(whole) < len(content):
            file.truncate(len(whole))
        if not lines:
            _append(path, file, wanted)
        yield Results(path, file, done)


def _lock(path: Path, file: FileIO) -> None:
    """Until the file is closed, or this process ends. Raises UsageError if another has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{path}: another sweep is writing to it; wait until it ends, or name another file") from error


def _append(path: Path, file: FileIO, line: Mapping[str, Any]) -> None:
    rest = json.dumps(line).encode() + b"\n"
    with naming(path):
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def _object(text: bytes, where: str) -> dict[str, Any]:
    found: dict[str, Any] = parse_json(text, where)
    check_shape(found, {}, where)
    return found


def _check_header(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    schema = found.get("schema")
    if not isinstance(schema, str) or not schema.startswith("pocketnn-sweep/"):
        raise DataError(f"{path}: no results of a sweep; its first line has no schema {SCHEMA!r}")
    made = ", ".join(
        f"{name} {str(found.get(name))[:20]} (here {wanted[name][:20]})"
        for name in ("schema", "release", "op_table")
        if found.get(name) != wanted[name]
    )
    if made:
        raise VersionError(
            f"{path}: results of another pocketnn, {made}; name another file, or go on with that release"
        )
    different = [name for name, value in wanted.items() if found.get(name) != value]
    if different:
        raise UsageError(f"{path}: results of another sweep ({', '.join(different)} differ); name another file")


def _job(line: Mapping[str, Any], where: str) -> Job:
    """The job of a line, once that is known to be a result. Raises DataError."""
    check_shape(line, _LINE, where)
    exact = line["word"] is None
    for name, empty in (("overflow", exact), ("verdicts", exact), ("bits", not exact)):
        if (line[name] is None) != empty:
            raise DataError(f"{where}: {name} is {line[name]!s:.40} in the result of word {line['word']}")
    for name in ("word", "overflow"):
        if line["run"][name] != line[name]:
            raise DataError(f"{where}: {name} is {line[name]}, but {line['run'][name]} in its run")
    rate = line["lr_inv"]
    return Job(line["word"], line["overflow"], line["batch"], tuple(rate) if type(rate) is list else rate, line["seed"])
