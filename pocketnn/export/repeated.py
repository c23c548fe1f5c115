"""The step that a recorded program repeats, and what its epochs begin with.

Recorded steps repeat a pattern once everything lazily loaded is there. In the third of them an operand was made in the
same step; or in the step before, which makes it carried state; or earlier, and is then the same in every step of the
epoch. The first step of a later epoch may load some of these constants anew, and start some state again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from pocketnn.errors import UsageError
from pocketnn.export.graph import Carried, Constant, Given, Key, Local, Node, Setting, Source, StepProgram, keyed
from pocketnn.trace import Event, Handle, Moment, Program

__all__ = ["BEGIN", "FEWEST_STEPS", "epochs_of", "step_program"]

FEWEST_STEPS = 3  # the first may load what the others only use; two more show what is carried from step to step
BEGIN = "begin"  # phase of steps that do no more than load what the epoch of their number begins with

Step = dict[Key, Event]


def epochs_of(program: Program) -> list[list[tuple[Moment, Step]]]:
    """The recorded steps, without those of the build and of phase BEGIN, epoch by epoch."""
    steps = [(moment, keyed(events)) for moment, events in program.steps if moment.phase not in ("build", BEGIN)]
    return [list(group) for _, group in groupby(steps, key=lambda step: (step[0].phase, step[0].epoch))]


def step_program(program: Program) -> StepProgram:
    """The repeated step of a recording that holds a build and at least three steps of its first epoch.

    Raises UsageError if there are fewer, or if the steps do not repeat a pattern.
    """
    epochs = epochs_of(program)
    count = len(epochs[0]) if epochs else 0
    if count < FEWEST_STEPS:
        raise UsageError(f"{count} steps are recorded; {FEWEST_STEPS} are needed to see what is repeated")
    repeated = _Repeated(*[step for _, step in epochs[0][:FEWEST_STEPS]])
    for number, epoch in enumerate(epochs):
        for position, (_, step) in enumerate(epoch[FEWEST_STEPS if number == 0 else 0 :]):
            repeated.follow(step, opening=number > 0 and position == 0)
    if (repeated.loads or repeated.resets) and epochs[0][0][0].epoch != 1:
        raise UsageError(f"the first epoch is number {epochs[0][0][0].epoch}; number them from 1, by Machine.now")
    settings = _settings(program, {key: repeated.constants[event] for event, key in repeated.loads.items()})
    anew: dict[Source, Source] = {Constant(c): Setting(key) for c, key in repeated.loads.items() if key in settings}
    nodes = [Node(x.key, x.code, tuple(anew.get(y, y) for y in x.operands)) for x in repeated.nodes]
    results = _results(nodes)
    live = _live(nodes, {*repeated.state, *results})
    used = {operand for node in live for operand in node.operands}
    return StepProgram(
        tuple(live),
        {i: x for i, x in repeated.constants.items() if Constant(i) in used},
        {k: x for k, x in repeated.state.items() if Carried(k) in used},
        results,
        {k: np.asarray(e.outside) for k, e in repeated.last.items() if e.outside is not None and Given(k) in used},
        {k: rows for k, rows in settings.items() if Setting(k) in used},
        tuple(k for k in repeated.resets if Carried(k) in used),
    )


class _Repeated:
    """The pattern that the first three steps show, and what later ones do beside it.

    nodes: the ops of a step. constants: by event, and state: by key, with its contents before the first step. loads: by
    the event of a constant, what loads it anew where an epoch begins. resets: state that begins anew there.
    """

    def __init__(self, first: Step, before: Step, last: Step) -> None:
        self.last = last
        self.constants: dict[int, Handle] = {}
        self.state: dict[Key, Handle] = {}
        self.loads: dict[int, Key] = {}
        self.resets: dict[Key, None] = {}
        self._now: dict[int, int] = {}  # the event of a constant: that of what it is at present
        self._previous = last
        if _pattern(before) != _pattern(last):
            raise _other_ops()
        self.nodes = [self._node(key, event, first, before) for key, event in last.items()]

    def _node(self, key: Key, event: Event, first: Step, before: Step) -> Node:
        made, carried = _ids(self.last), _ids(before)
        operands: list[Source] = [Given(key)] if event.outside is not None else []
        for position, x in enumerate(event.operands):
            if x.id in made:
                operands.append(Local(made[x.id]))
            elif x.id in carried:
                if key not in first:
                    raise _other_ops()
                self.state[carried[x.id]] = first[key].operands[position]
                operands.append(Carried(carried[x.id]))
            elif before[key].operands[position].id == x.id:
                self.constants[x.id] = x
                operands.append(Constant(x.id))
            else:
                raise UsageError(f"{key[0]} uses a value from more than one step ago; it cannot be exported")
        return Node(key, event.result.code, tuple(operands))

    def follow(self, step: Step, opening: bool) -> None:
        """Check that one more step is the same; `opening` an epoch, it may load constants anew and reset state."""
        if opening:
            same = all(node.key in step and step[node.key].result.code == node.code for node in self.nodes)
        else:
            same = _pattern(step) == _pattern(self.last)
        if not same:
            raise _other_ops()
        for node in self.nodes:
            for source, x in zip(node.operands, step[node.key].operands, strict=False):  # of a load nothing is recorded
                if x.id != self._expected(source, step) and not (opening and self._begun(source, x, step)):
                    raise UsageError(f"{node.key[0]} uses another value than before; it cannot be exported")
        self._previous = step

    def _expected(self, source: Source, step: Step) -> int:
        """The event that made an operand, if all is as in the steps before."""
        match source:
            case Constant(event):
                return self._now.get(event, event)
            case Carried(key):
                return self._previous[key].result.id
            case Local(key):
                return step[key].result.id
        raise TypeError(f"{source!r} is no operand of a recorded op")

    def _begun(self, source: Source, x: Handle, step: Step) -> bool:
        """Whether an operand is another one because an epoch begins; if so, it is noted down."""
        loaded = next((key for key, event in step.items() if event.result is x and event.outside is not None), None)
        if isinstance(source, Constant) and loaded and self.loads.setdefault(source.event, loaded) == loaded:
            self._now[source.event] = x.id
            return True
        if isinstance(source, Carried) and self.state[source.key].id == x.id:
            self.resets[source.key] = None
            return True
        return False


def _other_ops() -> UsageError:
    return UsageError("the recorded steps differ in their ops; a device program repeats one step")


def _ids(step: Step) -> dict[int, Key]:
    return {event.result.id: key for key, event in step.items()}


def _pattern(step: Step) -> list[Any]:
    return [(key, event.result.code, tuple(x.code for x in event.operands)) for key, event in step.items()]


def _settings(program: Program, first: dict[Key, Handle]) -> dict[Key, tuple[Handle, ...]]:
    """What each epoch begins with, from the first to the last that is recorded; without what is always the same.

    first: what is loaded anew later, as it is in the first epoch.
    """
    begun: dict[int, dict[Key, Handle]] = {}
    for moment, events in program.steps:
        loads = {key: event.result for key, event in keyed(events).items() if key in first}
        if loads and moment.phase != "build":
            begun.setdefault(moment.epoch, {}).update(loads)
    rows: dict[Key, list[Handle]] = {key: [] for key in first}
    now = dict(first)
    for epoch in range(1, max(begun, default=0) + 1):
        now.update(begun.get(epoch, {}))
        for key, x in now.items():
            if x.code.to != first[key].code.to or x.shape != first[key].shape:
                raise UsageError(f"{key[0]} has another register or shape in epoch {epoch}; it cannot be exported")
            rows[key].append(x)
    return {key: tuple(row) for key, row in rows.items() if any((x.ints() != row[0].ints()).any() for x in row)}


def _results(nodes: Sequence[Node]) -> tuple[Key, ...]:
    """Predicted classes and what they were predicted from; without predictions, everything that nothing uses."""
    predictions = [node for node in nodes if node.code.op.name == "argmax"]
    if predictions:
        outputs = [x.key for node in predictions for x in node.operands if isinstance(x, Local)]
        return (*outputs, *(node.key for node in predictions))
    used = {x.key for node in nodes for x in node.operands if isinstance(x, Local | Carried)}
    return tuple(node.key for node in nodes if node.key not in used)


def _live(nodes: Sequence[Node], roots: set[Key]) -> list[Node]:
    """The nodes on which a root depends, in order."""
    needed = set(roots)
    live = []
    for node in reversed(nodes):
        if node.key in needed:
            live.append(node)
            needed.update(x.key for x in node.operands if isinstance(x, Local))
    return live[::-1]
