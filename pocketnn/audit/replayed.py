"""A trace as something that can be audited: the recorded program, run again on any machine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pocketnn.arith import Role
from pocketnn.audit.memory import Stored
from pocketnn.audit.report import Recording, Subject
from pocketnn.audit.source import Ladder
from pocketnn.audit.verdict import Target
from pocketnn.errors import CorruptError
from pocketnn.machine import Machine, SiteKey
from pocketnn.scores import EpochResult, Scores
from pocketnn.trace import Event, Player, Trace
from pocketnn.train import Progress

__all__ = ["ABOUT", "Replayed", "subject_from_text", "subject_to_text"]

_LOSS = SiteKey("loss.epoch_add", "add", Role.LOSS)
ABOUT = "subject"  # the header's name for what was run


def subject_to_text(subject: Subject) -> str:
    """A subject as JSON, for a trace's header."""
    return json.dumps(asdict(subject))


def subject_from_text(text: str) -> Subject:
    """The inverse of `subject_to_text`. Raises CorruptError for anything that it would not write."""
    try:
        found = json.loads(text)
        memory = {
            str(use): tuple(
                Stored(str(s["what"]), Role(s["role"]), int(s["elements"]), s["flash"] is True) for s in arrays
            )
            for use, arrays in found["memory"].items()
        }
        facts = {str(name): value for name, value in found["facts"].items() if isinstance(value, (int, str))}
        return Subject(str(found["name"]), str(found["description"]), facts, memory)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CorruptError(f"the header's subject {text[:60]!r} is none ({error})") from error


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded program. Its steps are played whole, from the first to the last that is there."""

    trace: Trace

    @property
    def subject(self) -> Subject:
        """What the trace says it is; its file name where it says nothing."""
        trace = self.trace
        if ABOUT in trace.header:
            found = subject_from_text(trace.header[ABOUT])
        else:
            found = Subject(trace.path.name, f"{len(trace.steps)} recorded steps, {trace.events} events")
        return replace(found, description=f"{found.description}; {trace.part}") if trace.part else found

    @property
    def recording(self) -> Recording:
        """The machine that ran, and which part of its run was recorded."""
        return Recording(Target(self.trace.widths, self.trace.overflow), self.trace.part)

    def run(self, machine: Machine, progress: Progress | None = None) -> Scores:
        """Play every step on `machine`; the scores are those that the live run would have had there."""
        player = Player(self.trace, machine)
        tally = _Tally()
        for step in self.trace.steps:
            events = player.run(step)
            tally.step(step.moment.phase, step.moment.epoch, events, player.scored)
            if progress:
                progress("replay", step.id, len(self.trace.steps))
        return tally.scores()

    def ladders(self) -> Iterator[Ladder]:
        """None: the recorded program stays as it is."""
        return iter(())


class _Tally:
    """Adds up, per phase and epoch, what was scored, and keeps the loss register's last value."""

    def __init__(self) -> None:
        self._right: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        self._loss: dict[int, int] = {}

    def step(self, phase: str, epoch: int, events: list[Event], scored: tuple[int, int]) -> None:
        """Count one step's results. scored: right predictions and all of them."""
        cell = self._right[phase, epoch]
        cell[0] += scored[0]
        cell[1] += scored[1]
        for event in events:
            if event.result.code.key == _LOSS and event.result.shape == (1, 1):
                self._loss[epoch] = int(event.result.ints()[0, 0])

    def scores(self) -> Scores:
        """What `train` or `evaluate` says of such a run."""
        epochs = tuple(
            EpochResult(epoch, self._loss[epoch], *self._of("train", epoch), *self._of("test", epoch))
            for epoch in sorted(self._loss)
        )
        last = epochs[-1].epoch if epochs else 0
        return Scores(epochs, *self._of("final", last), *self._of("test", last))

    def _of(self, phase: str, epoch: int) -> Any:
        return self._right.get((phase, epoch), [0, 0])
