"""Running a sweep: for each recipe one exact run, then the machines that it does not certify, judged against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from pocketnn.arith import MAX_BITS, Vector, Word
from pocketnn.audit.data import outcome_data
from pocketnn.audit.propose import narrowest
from pocketnn.audit.report import Evidence, outcome_of
from pocketnn.audit.source import Training
from pocketnn.audit.verdict import Target, certified, judge
from pocketnn.data import Dataset, load_dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.sweep.plan import Job, Plan
from pocketnn.sweep.results import Results, opened
from pocketnn.train import Progress

__all__ = ["run_on_machine", "run_sweep"]


@lru_cache(maxsize=2)
def _dataset(name: str, limit: int | None) -> Dataset:
    return load_dataset(name, limit)


def run_on_machine(data: str, limit: int | None, recipe: Recipe, target: Target | None) -> Evidence:
    """Train by `recipe` on one machine (None: exactly, with ranges), in whatever process or on whatever computer; the
    dataset is found by name there."""
    machine = (
        Machine(Vector(measure=True), Widths(Word(MAX_BITS)))
        if target is None
        else Machine(Vector(), target.widths, target.overflow)
    )
    scores = Training(_dataset(data, limit), recipe).run(machine)
    return Evidence(scores, machine.ledger)


def run_sweep(plan: Plan, path: Path, executor: Executor, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Audit what is missing in the file at `path` on `executor`; returns all results in the order of the plan.

    The machines of one recipe share its exact run; one that it certifies is not run at all. When a sweep is resumed, an
    exact run whose machines are not all done is run again, for its ranges are not kept.

    executor: of any kind: threads, processes, or a cluster's. Raises UsageError if the file holds another sweep or one
    is at work on it, VersionError for another release's, DataError if it is no sweep at all, and whatever a job raises;
    finished jobs are kept all the same.
    """
    with opened(path, plan) as results:
        return _run(plan, results, executor, progress)


def _run(plan: Plan, results: Results, executor: Executor, progress: Progress | None) -> list[dict[str, Any]]:
    done = results.done
    jobs = list(plan.jobs())
    missing: dict[Recipe, list[Job]] = {}
    for job in jobs:
        if job not in done:
            missing.setdefault(plan.recipe_of(job), []).append(job)
    running: dict[Future[Evidence], tuple[Recipe, Target | None]] = {}
    exact: dict[Recipe, Evidence] = {}

    def start(recipe: Recipe, target: Target | None) -> None:
        future = executor.submit(run_on_machine, plan.data, plan.limit, recipe, target)
        running[future] = (recipe, target)

    def finish(recipe: Recipe, target: Target | None, evidence: Evidence | None) -> None:
        for job in (job for job in missing[recipe] if job.target == target):
            results.add(job, _line(job, evidence, exact[recipe]))
        if progress:
            progress("sweep", sum(job in done for job in jobs), len(jobs))

    try:
        for recipe in missing:
            start(recipe, None)
        while running:
            finished = wait(running, return_when=FIRST_COMPLETED).done
            for future in sorted(finished, key=lambda f: f.exception() is not None):  # what failed ends it: last
                recipe, target = running.pop(future)
                evidence = future.result()
                if target is None:
                    exact[recipe] = evidence
                finish(recipe, target, evidence)
                if target is None:
                    for other in _targets(missing[recipe]):
                        if certified(evidence.ledger, other.widths):
                            finish(recipe, other, None)
                        else:
                            start(recipe, other)
    finally:
        for future in running:
            future.cancel()
    return [done[job] for job in jobs]


def _targets(jobs: list[Job]) -> Iterator[Target]:
    return (job.target for job in jobs if job.target is not None)


def _line(job: Job, evidence: Evidence | None, exact: Evidence) -> dict[str, Any]:
    """The result of one job as plain data; see `results`."""
    target = job.target
    verdicts = None
    if target is not None:
        sites = judge(exact.ledger, [(target, evidence and evidence.ledger)])
        verdicts = dict(Counter(site.cells[0].verdict.value for site in sites))
    bits = {role.value: bits for role, bits in narrowest(exact.ledger).items()} if target is None else None
    run = outcome_data(outcome_of(target, evidence, exact))
    return {**asdict(job), "run": run, "verdicts": verdicts, "bits": bits}
