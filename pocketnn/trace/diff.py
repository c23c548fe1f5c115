"""The first difference of two traces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from pocketnn.trace.dump import event_line
from pocketnn.trace.reader import Recorded, Step, Trace

__all__ = ["difference"]


def difference(a: Trace, b: Trace, progress: Callable[[str, int, int], None] | None = None) -> list[str]:
    """What differs first, in lines for people; empty if both record the same run on the same machine.

    The releases that wrote them, their levels, and which steps were to be recorded do not count. Leaf values are
    compared through the digests of the events that loaded them.
    """
    for key in sorted((a.header.keys() | b.header.keys()) - {"pocketnn", "steps"}):
        ours, theirs = a.header.get(key), b.header.get(key)
        if ours != theirs:
            return [f"header {key}:", f"  {ours}", f"  {theirs}"]
    for done, (ours_step, theirs_step) in enumerate(zip_longest(a.steps, b.steps), start=1):
        if ours_step is None or theirs_step is None:
            return [f"one ends after step {done - 1}, the other goes on: {len(a.steps)} and {len(b.steps)} steps"]
        if found := _step(a, ours_step, b, theirs_step):
            return found
        if progress:
            progress("diff", done, len(a.steps))
    if a.status != b.status:
        return [f"the runs ended differently: {a.status or 'cut off'} and {b.status or 'cut off'}"]
    return []


def _step(a: Trace, ours: Step, b: Trace, theirs: Step) -> list[str]:
    if ours.moment != theirs.moment:
        return [f"step {ours.id}:", f"  {ours.moment}", f"  {theirs.moment}"]
    for x, y in zip_longest(a.recorded(ours), b.recorded(theirs)):
        if x is None or y is None or _said(x) != _said(y):
            return [f"step {ours.id}:", *(f"  {event_line(e) if e else 'no further event'}" for e in (x, y))]
    return []


def _said(recorded: Recorded) -> tuple[object, ...]:
    code = recorded.code
    return (recorded.id, code.op.name, *code[1:], recorded.operands, recorded.figures)
