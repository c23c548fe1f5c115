"""Replay: every event again, compared with what was recorded, or with what another machine makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketnn.arith import Backend, Native, Overflow, Reference, Vector
from pocketnn.arith.backend import Integers
from pocketnn.errors import CorruptError
from pocketnn.machine import Ledger, Machine, Widths
from pocketnn.trace.event import Event
from pocketnn.trace.figures import figures_of, measure
from pocketnn.trace.player import Player
from pocketnn.trace.reader import Step, Trace
from pocketnn.trace.schema import INTERVAL

__all__ = ["BACKENDS", "Divergence", "Replay", "replay", "what_if"]

BACKENDS: dict[str, Callable[[], Backend]] = {
    "reference": Reference,
    "vector": lambda: Vector(measure=True),
    "c": Native,
}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first event on which two computations differ.

    what: "result", "range" or "flags". element: index of the first differing element, None where only digests are known
    or the result is the same. recorded, replayed: both values there, or both figures.
    """

    event: int
    step: Step
    site: str
    op: str
    what: str
    element: tuple[int, ...] | None
    recorded: Any
    replayed: Any

    def __str__(self) -> str:
        when = f"{self.step.moment.phase}, epoch {self.step.moment.epoch}, step {self.step.moment.step}"
        place = f"{self.site}{list(self.element) if self.element is not None else ''}"
        return (
            f"event {self.event}, step {self.step.id}: {place} ({self.op}) [{when}]: "
            f"{self.what} recorded {self.recorded}, replayed {self.replayed}"
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found. first: None if everything is identical. later: how many further events differ.

    steps, events: how many were compared. status: how the recorded run ended, None if the trace has no ending. part:
    which part of its run the trace is, in words; None for the whole. ledger: of the machine that
    replayed.
    """

    steps: int
    events: int
    first: Divergence | None
    later: int
    status: str | None
    part: str | None
    ledger: Ledger


def replay(
    trace: Trace,
    backend: str = "vector",
    first: int = 1,
    last: int | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Execute the steps first..last on the recorded machine; compare exact ranges, flags and digests of every event.

    The state before `first` comes from the last checkpoint, brought up to it by Vector. Raises UsageError for steps
    that are not there, CorruptError where the trace is no program.
    """
    chosen = trace.between(first, last)
    player = Player(trace, Machine(BACKENDS[backend](), trace.widths, trace.overflow))
    if chosen:
        player.adopt(_state_before(trace, chosen[0]))
    differing: list[Divergence] = []
    later = 0
    for done, step in enumerate(chosen, start=1):
        _check_checkpoint(trace, player, step)
        events = player.run(step)
        recorded = trace.entries(step)
        replayed = measure(events)
        if recorded != replayed or trace.full:
            for event, theirs, ours in zip(events, recorded, replayed, strict=True):
                if not _equal(trace, theirs, ours) or not _stored_is(trace, event):
                    if differing:
                        later += 1
                    else:
                        differing.append(_difference(trace, step, event, theirs, ours))
        if progress:
            progress("replay", done, len(chosen))
    compared = sum(step.events for step in chosen)
    first_found = differing[0] if differing else None
    return Replay(len(chosen), compared, first_found, later, trace.status, trace.part, player.machine.ledger)


def what_if(
    trace: Trace,
    widths: Widths,
    overflow: Overflow,
    backend: str = "vector",
    first: int = 1,
    last: int | None = None,
    progress: Progress | None = None,
) -> Replay:
    """What the recorded run would have done on another machine: compare every result of both, element by element.

    The recorded run is recomputed beside it by Vector on the recorded machine. See `replay` for first and last.
    """
    chosen = trace.between(first, last)
    original = Player(trace, Machine(Vector(), trace.widths, trace.overflow))
    other = Player(trace, Machine(BACKENDS[backend](), widths, overflow))
    if chosen:
        state = _state_before(trace, chosen[0])
        original.adopt(state)
        other.adopt(state)
    differing: Divergence | None = None
    later = 0
    for done, step in enumerate(chosen, start=1):
        for ours, theirs in zip(original.run(step), other.run(step), strict=True):
            a, b = ours.result.numbers(), theirs.result.numbers()
            if not np.array_equal(a, b):
                if differing is None:
                    differing = _elements(step, ours, a, b)
                else:
                    later += 1
        if progress:
            progress("replay", done, len(chosen))
    compared = sum(step.events for step in chosen)
    return Replay(len(chosen), compared, differing, later, trace.status, trace.part, other.machine.ledger)


def _state_before(trace: Trace, first: Step) -> dict[int, Integers]:
    """Register contents before the step `first`, computed by Vector from the last checkpoint before it."""
    scout = Player(trace, Machine(Vector(), trace.widths, trace.overflow))
    start = scout.seek(first)
    for step in trace.steps[start.id - 1 : first.id - 1]:
        scout.run(step)
    return scout.contents()


def _equal(trace: Trace, recorded: list[Any], replayed: list[Any]) -> bool:
    """Whether two entries say the same; a recording that holds no range at all says nothing of them."""
    if trace.holds.measured or recorded == replayed:
        return recorded == replayed
    theirs, ours = figures_of(recorded), figures_of(replayed)
    return (theirs.digest, theirs.flags) == (ours.digest, ours.flags)


def _stored_is(trace: Trace, event: Event) -> bool:
    """Whether the stored result is the replayed one; true of a trace that holds none."""
    stored = trace.result(event.result.id) if trace.full else None
    return stored is None or np.array_equal(stored, event.result.ints())


def _check_checkpoint(trace: Trace, player: Player, step: Step) -> None:
    """Refuse a checkpoint that differs from what its events computed. Raises CorruptError."""
    if (step.id - 1) % INTERVAL == 0 and step.id > 1:
        for event, contents in trace.checkpoint((step.id - 1) // INTERVAL).items():
            value = player.values.get(event)
            if value is not None and not np.array_equal(value.ints(), contents):
                raise CorruptError(f"{trace.path}: the checkpoint at step {step.id} has another value of event {event}")


def _difference(trace: Trace, step: Step, event: Event, recorded: list[Any], replayed: list[Any]) -> Divergence:
    """Say what differs: the result's element where the trace holds results, else the figure."""
    theirs, ours = figures_of(recorded), figures_of(replayed)
    result = event.result
    stored = trace.result(result.id)
    if stored is not None and not np.array_equal(stored, result.ints()):
        return _elements(step, event, stored, result.ints())
    what, a, b = next(
        (name, a, b)
        for name, a, b in (
            ("result (its digest)", theirs.digest, ours.digest),
            ("flags", theirs.flags, ours.flags),
            ("exact range", theirs.span, ours.span),
        )
        if a != b
    )
    return Divergence(result.id, step, result.code.site, result.code.op.name, what, None, a, b)


def _elements(step: Step, event: Event, recorded: Any, replayed: Any) -> Divergence:
    result = event.result
    element = tuple(int(i) for i in np.argwhere(np.asarray(recorded != replayed))[0])
    a, b = int(recorded[element]), int(replayed[element])
    return Divergence(result.id, step, result.code.site, result.code.op.name, "value", element, a, b)
