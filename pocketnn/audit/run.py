"""Audits: one exact run of a source, then runs on the target machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from pocketnn.arith import MAX_BITS, Vector, Word
from pocketnn.audit.advise import advise
from pocketnn.audit.observe import Observer
from pocketnn.audit.propose import narrowest, proposed
from pocketnn.audit.report import Evidence, Report, build_report
from pocketnn.audit.source import Source, Training, run_on, targets_of
from pocketnn.audit.verdict import Proved, Target, certified, never_proved, zero_free
from pocketnn.data import Dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import Progress

__all__ = ["audit_source", "audit_training"]


def audit_source(
    source: Source,
    judged: Sequence[Target],
    words: Sequence[int] = (8, 16, 32),
    progress: Progress | None = None,
    proved: Proved = never_proved,
    observe: bool = False,
    advice: bool = False,
    recorder: Callable[[Machine], AbstractContextManager[Machine]] = nullcontext,
) -> Report:
    """Run a source exactly, then on uniform machines of `words` bits, on those of `judged`, which decide the verdict,
    and on the machine that it was recorded on, each wrapping and saturating.

    A target on which the exact run shows that nothing can overflow is not run again: it computes the same values. The
    narrowest registers that the exact run needs are run all the same, to confirm them. observe: also keep a histogram
    and the course of every site's results. advice: also search for changes that make the site fit that breaks first.
    recorder: what the exact run's machine goes through, such as a recording.
    """
    machine = Machine(Vector(measure=True), Widths(Word(MAX_BITS)))
    observer = Observer(machine.backend, machine.clock) if observe else None
    with recorder(machine.over(observer) if observer else machine) as m:
        exact = run_on(source, m, "exact", progress)
    exact = exact._replace(seen=observer.seen if observer else None)
    runs: list[tuple[Target, Evidence | None]] = []
    recording = source.recording
    for target in targets_of(words, [*judged, recording.target] if recording else judged):
        safe = certified(exact.ledger, target.widths)
        runs.append((target, None if safe else _emulate(source, target, progress)))
    confirming = None
    widths = proposed(narrowest(exact.ledger)) if zero_free(exact.ledger) else None
    if widths:
        target = Target(widths, judged[-1].overflow)
        confirming = (target, _emulate(source, target, progress))
    report = build_report(source.subject, exact, runs, judged, proved, confirming, recording)
    asked, failed = next((target, evidence) for target, evidence in runs if target == report.focus.target)
    if advice and failed:
        report = replace(report, advice=tuple(advise(source, asked, failed, exact, progress)))
    return report


def _emulate(source: Source, target: Target, progress: Progress | None) -> Evidence:
    return run_on(source, Machine(Vector(), target.widths, target.overflow), str(target), progress)


def audit_training(
    dataset: Dataset,
    recipe: Recipe,
    judged: Sequence[Target],
    words: Sequence[int] = (8, 16, 32),
    progress: Progress | None = None,
) -> Report:
    """`audit_source` of a training."""
    return audit_source(Training(dataset, recipe), judged, words, progress)
