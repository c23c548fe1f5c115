"""Traces as text: a line per event, or a line per register operation inside one event."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pocketnn.arith import Narrowing, Register, Vector, narrowings, plain
from pocketnn.errors import UsageError
from pocketnn.machine import Machine
from pocketnn.trace.player import Player
from pocketnn.trace.reader import Recorded, Trace

__all__ = ["event_line", "event_lines", "scalar_lines"]


def event_lines(trace: Trace, first: int = 1, last: int | None = None) -> Iterator[str]:
    """A line per event of the steps first..last. Raises UsageError for steps that are not there."""
    for step in trace.between(first, last):
        for recorded in trace.recorded(step):
            yield event_line(recorded)


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


def scalar_lines(trace: Trace, event: int, element: tuple[int, ...] | None = None) -> Iterator[str]:
    """A line per register operation inside an event: each product, each partial sum, with the register's bits.

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
        place = f"event={event} {code.site}[{','.join(map(str, index))}]"
        for n in narrowings(code.op, (*operands, *args[arity:]), index, code.to):
            yield f"{place} {_operation(code.op.name, n, code.to)}"


def _operation(op: str, n: Narrowing, to: Register) -> str:
    shown = ",".join(map(str, n.operands))
    before = f" accumulator={n.before}:{_hex(n.before, to)}" if n.stage == "sum" else ""
    flag = "ok" if n.exact == n.stored else "OVERFLOW"
    return (
        f"k={n.k} {op}.{n.stage} operands={shown}{before} exact={n.exact} stored={n.stored}:{_hex(n.stored, to)} {flag}"
    )


def _hex(value: int, to: Register) -> str:
    """The register's bits in hexadecimal."""
    return f"0x{value & (1 << to.word.bits) - 1:0{-(-to.word.bits // 4)}x}"
