"""How large the trace of a run will be: a few steps of it are run, measured, and counted up to the whole."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pocketnn.arith import Vector
from pocketnn.audit.replayed import Replayed
from pocketnn.audit.source import Evaluation, Source, Training
from pocketnn.data import Dataset
from pocketnn.machine import Machine
from pocketnn.trace.digest import registers
from pocketnn.trace.event import Event, Moment
from pocketnn.trace.figures import text_of
from pocketnn.trace.leaves import encoded
from pocketnn.trace.recorder import Recorder
from pocketnn.trace.seal import PAGE, ROOM
from pocketnn.train import EVALUATION_ROWS

__all__ = ["Estimate", "estimate", "phases"]

_STEPS = 60  # training starts from weights that compress better than later ones
_ROOM = PAGE - ROOM  # bytes of a page that hold something
_ROW = 100  # bytes of a step's row beside its figures: the link of the chain, the clock, SQLite's own
_LEAF = 40  # bytes of a leaf's row beside its list of row numbers


class Estimate(NamedTuple):
    """What a trace will hold, and the size of its file, about."""

    events: int
    size: int


def phases(source: Source) -> list[str]:
    """The phase of every step that a run of `source` has, in order."""
    if isinstance(source, Training):
        recipe, dataset = source.recipe, source.dataset
        rows = recipe.batch if recipe.batch_norm else EVALUATION_ROWS
        steps = len(dataset.train.labels) // recipe.batch
        tests, finals = (-(-len(split.labels) // rows) for split in (dataset.test, dataset.train))
        epoch = ["train"] * steps + ["test"] * tests
        return ["build", *(epoch * recipe.epochs), *["test"] * (finals if recipe.epochs else finals + tests)]
    if isinstance(source, Evaluation):
        return ["build", *["test"] * -(-len(source.dataset.test.labels) // source.saved.rows)]
    if isinstance(source, Replayed):
        return [step.moment.phase for step in source.trace.steps]
    raise TypeError(f"nobody knows the steps of {source!r}")


def estimate(source: Training | Evaluation, machine: Machine, full: bool, first: int, last: int | None) -> Estimate:
    """What recording the steps first..last of `source` on a machine like this takes.

    Runs some training steps and one pass over test images on a machine of its own. full: results are stored too.
    """
    sample: Source
    if isinstance(source, Training):
        recipe = source.recipe
        rows = recipe.batch if recipe.batch_norm else EVALUATION_ROWS
        few = _few(source.dataset, _STEPS * recipe.batch, rows)
        sample = Training(few, replace(recipe, epochs=min(recipe.epochs, 1)))
        images = len(source.dataset.train.labels) + len(source.dataset.test.labels)
    else:
        sample = replace(source, dataset=_few(source.dataset, 1, source.saved.rows))
        images = len(source.dataset.test.labels)
    counted = _Counter(full)
    inner = Machine(Vector(measure=True), machine.widths, machine.overflow)
    with Recorder(inner, counted) as recorder:
        sample.run(inner.over(recorder))
    counted.end()
    return counted.whole(Counter(phases(source)[first - 1 : last]), images)


def _few(dataset: Dataset, train: int, test: int) -> Dataset:
    return replace(dataset, train=dataset.train.first(train), test=dataset.test.first(test))


class _Step(NamedTuple):
    """Events, bytes that every such step takes, and images that it reads."""

    events: int
    size: int
    images: int


class _Counter:
    """A sink that measures what a writer would write, and keeps the first step of each phase, of training the last."""

    def __init__(self, full: bool) -> None:
        self._full = full
        self._steps: dict[str, _Step] = {}
        self._phase = ""
        self._events: list[Event] = []
        self._entries: list[list[Any]] = []
        self._images: set[bytes] = set()

    def step(self, moment: Moment) -> None:
        """See Sink."""
        self.end()
        self._phase = moment.phase

    def events(self, events: Sequence[Event], entries: Sequence[list[Any]]) -> None:
        """See Sink."""
        self._events += events
        self._entries += entries

    def end(self) -> None:
        """Measure the step that is complete."""
        events, self._events, entries, self._entries = self._events, [], self._entries, []
        if not events or (self._phase in self._steps and self._phase != "train"):
            return
        size = _in_pages(len(text_of(entries)) + _ROW)
        images, single = 0, b""
        for event in events:
            if event.outside is not None:
                rows = encoded(event.outside)[2]
                size += _LEAF + 4 * len(rows)
                if len(rows) > 1 and self._phase != "build":
                    images = len(rows)
                    self._images.update(rows)
                else:
                    single += b"".join(rows)
            if self._full:
                data = zlib.compress(registers(event.result.value, event.result.code.to.word).tobytes(), 1)
                size += _in_pages(len(data))
        self._steps[self._phase] = _Step(len(events), size + len(zlib.compress(single, 1)), images)

    def whole(self, times: Counter[str], images: int) -> Estimate:
        """Of so many steps of each phase, which read `images` distinct images at most."""
        known = {phase: step for phase, step in self._steps.items() if times[phase]}
        events = sum(times[phase] * step.events for phase, step in known.items())
        size = sum(times[phase] * step.size for phase, step in known.items())
        read = min(images, sum(times[phase] * step.images for phase, step in known.items()))
        seen = sorted(self._images)
        each = len(zlib.compress(b"".join(seen), 1)) / max(1, len(seen)) + 4
        return Estimate(events, round(size + read * each))


def _in_pages(row: int) -> int:
    """Bytes that a row takes, with what is left empty at the end of a page (SQLite file format, 1.6)."""
    if row <= _ROOM - 35:
        return PAGE // (_ROOM // row)
    least = (_ROOM - 12) * 32 // 255 - 23
    here = least + (row - least) % (_ROOM - 4)
    if here > _ROOM - 35:
        here = least
    return here + (row - here) // (_ROOM - 4) * PAGE + (PAGE if (row - here) % (_ROOM - 4) else 0)
