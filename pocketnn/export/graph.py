"""The program that a device repeats, read from a recorded one: constants, state, inputs, and the ops of one step.

Recorded steps repeat a pattern once everything lazily loaded is there. In the last of them an operand was made in the
same step; or in the step before, which makes it carried state; or earlier, and is then the same in every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketnn.arith import Role
from pocketnn.arith.backend import Integers
from pocketnn.errors import UsageError
from pocketnn.trace import Code, Event, Handle
from pocketnn.trace.recorder import Program

__all__ = [
    "FEWEST_STEPS",
    "Carried",
    "Constant",
    "Given",
    "Key",
    "Local",
    "Node",
    "StepProgram",
    "keyed",
    "step_program",
]

FEWEST_STEPS = 3  # the first may load what the others only use; two more show what is carried from step to step

Key = tuple[str, int]
"""A site, and how many events of the same step were at that site before."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is the same in every step. event: its id in the recording."""

    event: int


@dataclass(frozen=True, slots=True)
class _Keyed:
    key: Key


class Carried(_Keyed):
    """What the event of this key left in the step before."""

    __slots__ = ()


class Local(_Keyed):
    """What the event of this key made in this step."""

    __slots__ = ()


class Given(_Keyed):
    """What is handed in anew at each step, for the `load` of this key."""

    __slots__ = ()


Source = Constant | Carried | Local | Given


@dataclass(frozen=True, slots=True)
class Node:
    """One op of the step: its key, its static part, where its operands come from."""

    key: Key
    code: Code
    operands: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class StepProgram:
    """What a device runs once a step.

    nodes: the ops, in order; those on which neither state nor a result depends are left out. constants: by event id,
    and state: by key, with their contents before the first step. results: what the caller wants to know.
    given: an example of each input, for its type and shape.
    """

    nodes: tuple[Node, ...]
    constants: dict[int, Handle]
    state: dict[Key, Handle]
    results: tuple[Key, ...]
    given: dict[Key, Integers]


def keyed(events: Sequence[Event]) -> dict[Key, Event]:
    """The events of a step that happen on the machine, by key, in order."""
    seen: Counter[str] = Counter()
    result = {}
    for event in events:
        code = event.result.code
        if code.to.role is not Role.HOST:
            result[code.site, seen[code.site]] = event
            seen[code.site] += 1
    return result


def step_program(program: Program) -> StepProgram:
    """The repeated step of a recording that holds a build and at least three steps.

    Raises UsageError if there are fewer, or if the steps do not repeat a pattern.
    """
    steps = [keyed(events) for moment, events in program.steps if moment.phase != "build"]
    if len(steps) < FEWEST_STEPS:
        raise UsageError(f"{len(steps)} steps are recorded; {FEWEST_STEPS} are needed to see what is repeated")
    first, before, last = steps[0], steps[-2], steps[-1]
    if _pattern(before) != _pattern(last):
        raise UsageError("the last two recorded steps differ in their ops; a device program repeats one step")
    made = {event.result.id: key for key, event in last.items()}
    carried = {event.result.id: key for key, event in before.items()}
    constants: dict[int, Handle] = {}
    state: dict[Key, Handle] = {}
    nodes = []
    for key, event in last.items():
        operands: list[Source] = [Given(key)] if event.outside is not None else []
        for position, x in enumerate(event.operands):
            if x.id in made:
                operands.append(Local(made[x.id]))
            elif x.id in carried:
                state[carried[x.id]] = first[key].operands[position]
                operands.append(Carried(carried[x.id]))
            elif before[key].operands[position].id == x.id:
                constants[x.id] = x
                operands.append(Constant(x.id))
            else:
                raise UsageError(f"{key[0]} uses a value from more than one step ago; it cannot be exported")
        nodes.append(Node(key, event.result.code, tuple(operands)))
    results = _results(nodes)
    live = _live(nodes, {*state, *results})
    used = {operand for node in live for operand in node.operands}
    return StepProgram(
        tuple(live),
        {i: x for i, x in constants.items() if Constant(i) in used},
        {k: x for k, x in state.items() if Carried(k) in used},
        results,
        {k: np.asarray(e.outside) for k, e in last.items() if e.outside is not None and Given(k) in used},
    )


def _pattern(step: dict[Key, Event]) -> list[Any]:
    return [(key, event.result.code, tuple(x.code for x in event.operands)) for key, event in step.items()]


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
