"""Sweeps: the same training on many machines and by many recipes, in parallel, resumable after a kill.

Results are a text file of JSON lines: a header that says what is swept, then a line per finished job, each on disk
(fsync) before the next is taken. A line that was cut off by a kill is dropped when the sweep is resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from pocketnn.arith import MAX_BITS, Overflow, Vector, Word
from pocketnn.audit.data import flags_data, left_data, witness_data
from pocketnn.audit.propose import narrowest
from pocketnn.data import Dataset, load_dataset
from pocketnn.errors import DataError, UsageError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import Progress, train

__all__ = ["SCHEMA", "Job", "Plan", "run_job", "run_sweep"]

SCHEMA = "pocketnn-sweep/1"


@dataclass(frozen=True, slots=True)
class Job:
    """One training: word of all registers in bits and overflow mode (None: exactly), and what of the recipe differs."""

    word: int | None
    overflow: str | None
    batch: int
    lr_inv: int | tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A dataset by name with an optional limit, a recipe, and the values to combine: an exact run for each recipe, and
    a run on every machine. Raises UsageError where there is nothing to combine, or for what does not exist."""

    data: str
    limit: int | None
    recipe: Recipe
    words: tuple[int, ...]
    overflows: tuple[str, ...]
    batches: tuple[int, ...]
    lr_invs: tuple[int | tuple[int, ...], ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("words", "overflows", "batches", "lr_invs", "seeds"):
            if not getattr(self, name):
                raise UsageError(f"{name} is empty: give at least one value")
        for job in self.jobs():
            self.recipe_of(job)
            if job.word is not None:
                Word(job.word)

    def jobs(self) -> Iterator[Job]:
        """Every job once, in the order of the table."""
        machines = [(None, None), *product(dict.fromkeys(self.words), dict.fromkeys(self.overflows))]
        recipes = product(dict.fromkeys(self.batches), dict.fromkeys(self.lr_invs), dict.fromkeys(self.seeds))
        for (batch, lr_inv, seed), (word, overflow) in product(recipes, machines):
            yield Job(word, overflow, batch, lr_inv, seed)

    def recipe_of(self, job: Job) -> Recipe:
        """The recipe of one job."""
        return replace(self.recipe, batch=job.batch, lr_inv=job.lr_inv, seed=job.seed)

    def header(self) -> dict[str, Any]:
        """What must be the same for results to belong together."""
        fixed = asdict(self.recipe)
        for name in ("batch", "lr_inv", "seed"):
            del fixed[name]
        return {"schema": SCHEMA, "data": self.data, "limit": self.limit, "recipe": json.loads(json.dumps(fixed))}


@lru_cache(maxsize=2)
def _dataset(name: str, limit: int | None) -> Dataset:
    return load_dataset(name, limit)


def run_job(data: str, limit: int | None, recipe: Recipe, job: Job) -> dict[str, Any]:
    """Run one job, in whatever process or on whatever computer; the dataset is found by name there.

    Returns plain data: the job's fields, what it reached, and its overflows; of an exact run the bits per role.
    """
    exact = job.word is None
    widths = Widths(Word(MAX_BITS if job.word is None else job.word))
    machine = Machine(Vector(measure=exact), widths, Overflow(job.overflow or "wrap"))
    run = train(machine, _dataset(data, limit), recipe)
    ledger = machine.ledger
    return {
        **asdict(job),
        "test_correct": run.test_correct,
        "test_total": run.test_total,
        "final_train_correct": run.final_train_correct,
        "train_total": run.train_total,
        "overflowed": ledger.overflowed,
        "flags": flags_data(ledger.flags),
        "first_overflow": witness_data(ledger.first),
        "left_exact": left_data(ledger.left),
        "bits": {role.value: bits for role, bits in narrowest(ledger).items()} if exact else None,
    }


def run_sweep(plan: Plan, path: Path, executor: Executor, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Run what is missing in the file at `path` on `executor`; returns all results in the order of the plan.

    executor: of any kind: threads, processes, or a cluster's. Raises UsageError if the file holds another sweep,
    DataError if it is no sweep at all, and whatever a job raises; finished jobs are kept all the same.
    """
    done = _open(path, plan)
    jobs = list(plan.jobs())
    missing = [job for job in jobs if job not in done]
    futures = {executor.submit(run_job, plan.data, plan.limit, plan.recipe_of(job), job): job for job in missing}
    try:
        for future in as_completed(futures):
            job = futures[future]
            line = json.dumps(future.result())
            _append(path, line)
            done[job] = json.loads(line)  # the same whether it was run now or before
            if progress:
                progress("sweep", sum(job in done for job in jobs), len(jobs))
    finally:
        for future in futures:
            future.cancel()
    return [done[job] for job in jobs]


def _append(path: Path, line: str) -> None:
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _open(path: Path, plan: Plan) -> dict[Job, dict[str, Any]]:
    """Results that the file already holds; starts it if it is not there, and cuts off a line that is not whole."""
    if not path.exists() or not path.stat().st_size:
        _append(path, json.dumps(plan.header()))
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    lines = [_parsed(path, number, text) for number, text in enumerate(whole.splitlines(), start=1)]
    if lines and (lines[0].get("schema") != SCHEMA):
        raise DataError(f"{path}: no results of a sweep; its first line has no schema {SCHEMA!r}")
    if not lines and not json.dumps(plan.header()).encode().startswith(content):
        raise DataError(f"{path}: no results of a sweep; its first line is not whole")
    if lines and lines[0] != plan.header():
        different = [name for name, value in plan.header().items() if lines[0].get(name) != value]
        raise UsageError(f"{path}: results of another sweep ({', '.join(different)} differ); name another file")
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    if not lines:
        _append(path, json.dumps(plan.header()))
    return {_job(path, number, line): line for number, line in enumerate(lines[1:], start=2)}


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}:{number}: {str(found)[:40]!r} where an object belongs")
    return found


_RESULT: Sequence[str] = ("test_correct", "test_total", "overflowed", "flags", "first_overflow", "left_exact", "bits")


def _job(path: Path, number: int, line: Mapping[str, Any]) -> Job:
    fields = Job.__dataclass_fields__
    if any(name not in line for name in (*fields, *_RESULT)):
        raise DataError(f"{path}:{number}: not the result of a job of this version")
    values: dict[str, Any] = {name: line[name] for name in fields}
    if isinstance(values["lr_inv"], list):
        values["lr_inv"] = tuple(values["lr_inv"])
    return Job(**values)
