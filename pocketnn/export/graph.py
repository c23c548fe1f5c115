"""The program that a device repeats, as a graph: constants, state, inputs, the ops of one step, what an epoch begins
with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pocketnn.arith import Role
from pocketnn.arith.backend import Integers
from pocketnn.trace import Code, Event, Handle

__all__ = ["Carried", "Constant", "Given", "Key", "Local", "Node", "Setting", "Source", "StepProgram", "keyed"]

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


class Setting(_Keyed):
    """What the `load` of this key gave last: the first step of an epoch loads it anew, the others use it."""

    __slots__ = ()


Source = Constant | Carried | Local | Given | Setting


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
    given: an example of each input, for its type and shape. settings: by key, what each epoch begins with, the
    first first. resets: state that stands in every epoch's beginning as before the first step.
    """

    nodes: tuple[Node, ...]
    constants: dict[int, Handle]
    state: dict[Key, Handle]
    results: tuple[Key, ...]
    given: dict[Key, Integers]
    settings: dict[Key, tuple[Handle, ...]]
    resets: tuple[Key, ...]


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
