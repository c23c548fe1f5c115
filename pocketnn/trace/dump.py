"""Traces as text or plain data: event by event, or each register operation inside one event."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pocketnn.arith import Narrowing, Register, Vector, narrowings, plain
from pocketnn.errors import UsageError
from pocketnn.machine import Machine
from pocketnn.trace.event import Code, params_to_text
from pocketnn.trace.player import Player
from pocketnn.trace.reader import Recorded, Trace

__all__ = ["event_data", "event_line", "events_of", "scalar_data", "scalar_line", "scalars_of"]


def events_of(trace: Trace, first: int = 1, last: int | None = None) -> Iterator[Recorded]:
    """The events of the steps first..last. Raises UsageError for steps that are not there."""
    for step in trace.between(first, last):
        yield from trace.recorded(step)


def event_data(recorded: Recorded) -> dict[str, Any]:
    """One event as plain data: what `event_line` says, and the static parameters."""
    step, code, (span, digest, flags) = recorded.step, recorded.code, recorded.figures
    return {
        "event": recorded.id,
        "step": step.id,
        "moment": step.moment._asdict(),
        "site": code.site,
        "op": code.op.name,
        "operands": list(recorded.operands),
        "params": json.loads(params_to_text(code.op, code.params)),
        "to": {"role": code.to.role.value, "word": code.to.word.bits, "overflow": code.to.overflow.value},
        "shape": list(code.shape),
        "range": span and span._asdict(),
        "flags": flags._asdict(),
        "digest": f"{digest & (1 << 64) - 1:016x}",
    }


def event_line(recorded: Recorded) -> str:
    """One event: id, step, when, site, op, operands, register, shape, exact range, flags that are not 0, digest."""
    step, code, (span, digest, flags) = recorded.step, recorded.code, recorded.figures
    to = code.to
    parts = [
        f"event={recorded.id} step={step.id} {step.moment.phase}/{step.moment.epoch}/{step.moment.step} "
        f"site={code.site} op={code.op.name}",
        f"from={','.join(map(str, recorded.operands)) or '-'}",
        f"to={to.role.value}:{to.word.bits}:{to.overflow.value} shape={'x'.join(map(str, code.shape)) or '1'}",
    ]
    if span is not None:
        parts.append(f"range={span.lo}..{span.hi}")
        if (span.least, span.most) != (span.lo, span.hi):
            parts.append(f"any-order={span.least}..{span.most}")
    parts += [f"{name}={count}" for name, count in zip(flags._fields, flags, strict=True) if count and name != "first"]
    if flags.events:
        parts.append(f"first={flags.first}")
    parts.append(f"digest={digest & (1 << 64) - 1:016x}")
    return " ".join(parts)


class Scalar(NamedTuple):
    """One register operation inside an event, on the way to an element of its result."""

    event: int
    code: Code
    element: tuple[int, ...]
    narrowing: Narrowing


def scalars_of(trace: Trace, event: int, element: tuple[int, ...] | None = None) -> Iterator[Scalar]:
    """Every register operation inside an event: each product, each partial sum.

    The operands are recomputed by Vector from the last checkpoint. element: only that one of the result. Raises
    DataError if there is no such event, UsageError if it has no such element.
    """
    step = trace.step_of(event)
    player = Player(trace, Machine(Vector(), trace.widths, trace.overflow))
    for before in trace.steps[player.seek(step).id - 1 : step.id - 1]:
        player.run(before)
    player.run(step, until=event)
    code = trace.code_of(event)
    args = player.operands(event, code)
    arity = code.op.arity
    operands = tuple(plain(x if code.op.name == "load" else x.ints()) for x in args[:arity])
    inside = element is None or (
        len(element) == len(code.shape) and all(0 <= i < n for i, n in zip(element, code.shape, strict=True))
    )
    if not inside:
        raise UsageError(f"element {element} is not in the result of event {event}, whose shape is {code.shape}")
    for index in [element] if element is not None else itertools.product(*map(range, code.shape)):
        for narrowing in narrowings(code.op, (*operands, *args[arity:]), index, code.to):
            yield Scalar(event, code, index, narrowing)


def scalar_line(scalar: Scalar) -> str:
    """One register operation, with the register's bits before and after it."""
    event, code, element, n = scalar
    place = f"event={event} {code.site}[{','.join(map(str, element))}]"
    shown = ",".join(map(str, n.operands))
    before = f" accumulator={n.before}:{_hex(n.before, code.to)}" if n.stage == "sum" else ""
    flag = "ok" if n.exact == n.stored else "OVERFLOW"
    stored = f"stored={n.stored}:{_hex(n.stored, code.to)}"
    return f"{place} k={n.k} {code.op.name}.{n.stage} operands={shown}{before} exact={n.exact} {stored} {flag}"


def scalar_data(scalar: Scalar) -> dict[str, Any]:
    """One register operation as plain data: what `scalar_line` says."""
    event, code, element, n = scalar
    return {
        "event": event,
        "site": code.site,
        "element": list(element),
        "op": code.op.name,
        "stage": n.stage,
        "k": n.k,
        "operands": list(n.operands),
        "before": n.before if n.stage == "sum" else None,
        "exact": n.exact,
        "stored": n.stored,
        "register": _hex(n.stored, code.to),
        "overflow": n.exact != n.stored,
    }


def _hex(value: int, to: Register) -> str:
    """The register's bits in hexadecimal."""
    return f"0x{value & (1 << to.word.bits) - 1:0{-(-to.word.bits // 4)}x}"
