"""Results of a sweep: a text file of JSON lines, a header that says what is swept and then a line per finished job.

Each line is on disk (fsync) before the next job is taken; one that was cut off by a kill is dropped when the sweep is
resumed. A line holds the fields of its Job and
run: accuracy, changed predictions, flags, first overflow and where it left the exact run, as in `runs` of an audit
(schema.json of the audit describes it); verdicts: how many sites have which, null for the exact run; bits: what each
role needs by the exact run, null for the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pocketnn.errors import DataError, UsageError
from pocketnn.files import naming
from pocketnn.sweep.plan import Job, Plan

__all__ = ["SCHEMA", "append", "opened"]

SCHEMA = "pocketnn-sweep/2"
_RESULT = ("run", "verdicts", "bits")


def header(plan: Plan) -> dict[str, Any]:
    """What must be the same for results to belong together."""
    fixed = asdict(plan.recipe)
    for name in ("batch", "lr_inv", "seed"):
        del fixed[name]
    return {"schema": SCHEMA, "data": plan.data, "limit": plan.limit, "recipe": json.loads(json.dumps(fixed))}


def append(path: Path, line: str) -> None:
    """One more line, on disk when this returns."""
    with naming(path), path.open("ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def opened(path: Path, plan: Plan) -> dict[Job, dict[str, Any]]:
    """Results that the file already holds; starts it if it is not there, and cuts off a line that is not whole.

    Raises UsageError if it holds another sweep, DataError if it is none at all.
    """
    wanted = header(plan)
    if not path.exists() or not path.stat().st_size:
        append(path, json.dumps(wanted))
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    lines = [_parsed(path, number, text) for number, text in enumerate(whole.splitlines(), start=1)]
    if lines and (lines[0].get("schema") != SCHEMA):
        raise DataError(f"{path}: no results of a sweep; its first line has no schema {SCHEMA!r}")
    if not lines and not json.dumps(wanted).encode().startswith(content):
        raise DataError(f"{path}: no results of a sweep; its first line is not whole")
    if lines and lines[0] != wanted:
        different = [name for name, value in wanted.items() if lines[0].get(name) != value]
        raise UsageError(f"{path}: results of another sweep ({', '.join(different)} differ); name another file")
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    if not lines:
        append(path, json.dumps(wanted))
    return {_job(path, number, line): line for number, line in enumerate(lines[1:], start=2)}


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}:{number}: {str(found)[:40]!r} where an object belongs")
    return found


def _job(path: Path, number: int, line: Mapping[str, Any]) -> Job:
    fields = Job.__dataclass_fields__
    if any(name not in line for name in (*fields, *_RESULT)):
        raise DataError(f"{path}:{number}: not the result of a job of this version")
    values: dict[str, Any] = {name: line[name] for name in fields}
    if isinstance(values["lr_inv"], list):
        values["lr_inv"] = tuple(values["lr_inv"])
    return Job(**values)
