"""Recorder: a backend that wraps a backend. It calls the inner one, tells a sink what happened, and returns."""

from __future__ import annotations

from typing import Any

from pocketnn.arith import MAX_BITS, OPS, Backend, Op, Register, Role, Word
from pocketnn.arith.backend import Outcome, as_integers
from pocketnn.machine import Clock
from pocketnn.trace.event import Code, Event, Handle, Moment, Sink
from pocketnn.trace.figures import look

__all__ = ["Program", "Recorder"]

_LOAD = OPS["load"]
_new = tuple.__new__  # makes a named tuple in half the time that calling its class takes
_HOST = Register(Role.HOST, Word(MAX_BITS))  # for values whose own register nobody knows any more


class Recorder(Backend):
    """Executes every op on `inner` and tells `sink`; what it hands out are Handles around the inner values.

    clock: of the machine that is recorded; the first op after it was set begins a new step. first, last: which steps to
    record, counted from 1 (the build before the first counts as 1), both included. A value from before the first
    recorded step, or one that `inner` made before it was wrapped, is recorded as a `load` of its register contents when
    it is first used, at the site "SITE.given": its own site, or for one that `inner` made the site that uses it.
    """

    def __init__(self, inner: Backend, sink: Sink, clock: Clock, first: int = 1, last: int | None = None) -> None:
        self.inner = inner
        self.sink = sink
        self.clock = clock
        self.first, self.last = first, last
        self.steps = 0
        self.events = 0
        self._ticks = -1
        self._recording = False
        self._codes: dict[tuple[str, tuple[int, ...]], Code] = {}
        self._distinct: dict[Code, Code] = {}
        self._foreign: dict[int, tuple[Any, Handle]] = {}

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` and record it; see Backend.apply."""
        if self.clock.ticks != self._ticks:
            self._turn()
        if op is _LOAD:
            operands: tuple[Handle, ...] = ()
            outside = as_integers(args[0]).copy()  # the caller may fill its array anew before the step ends
            outcome = self.inner.apply(op, (outside,), to, site)
            params = ()
        else:
            arity = op.arity
            outside = None
            params = args[arity:]
            operands = tuple([x if type(x) is Handle else self._adopt(x, site) for x in args[:arity]])
            outcome = self.inner.apply(op, (*[x.value for x in operands], *params), to, site)
        value, flags, span = outcome
        shape = value.shape
        code = self._codes.get((site, shape))
        if code is None or code.op is not op or code.to is not to or code.params != params:
            code = Code(op, site, to, params, shape)
            code = self._codes[site, shape] = self._distinct.setdefault(code, code)
        if not self._recording:
            return Outcome(Handle(0, code, value), flags, span)
        for x in operands:
            if x.id == 0:
                self._given(x)
        self.events += 1
        handle = Handle(self.events, code, value)
        span, entry = look(outcome, to.word)
        self.sink.event(_new(Event, (handle, operands, outside, flags, span, entry)))
        return _new(Outcome, (handle, flags, span))

    def _turn(self) -> None:
        """The clock was set: another step begins."""
        clock = self.clock
        self._ticks = clock.ticks
        self.steps += 1
        self._recording = self.first <= self.steps and (self.last is None or self.steps <= self.last)
        if self._recording:
            self.sink.step(Moment(clock.phase, clock.epoch, clock.step))

    def _adopt(self, value: Any, site: str) -> Handle:
        """A handle for a value that the inner backend made before it was wrapped; the same one at every use."""
        known = self._foreign.get(id(value))
        if known is None:
            code = Code(_LOAD, site, _HOST, (), value.shape)
            known = self._foreign[id(value)] = (value, Handle(0, code, value))
        return known[1]

    def _given(self, x: Handle) -> None:
        """Record the contents of a register that was filled before the recording began."""
        self.events += 1
        x.id = self.events
        x.code = Code(_LOAD, f"{x.code.site}.given", x.code.to, (), x.shape)
        contents = x.ints()
        outcome = self.inner.apply(_LOAD, (contents,), x.code.to, x.code.site)
        self.sink.event(Event(x, (), contents, outcome.flags, *look(outcome, x.code.to.word)))


class Program:
    """A sink that keeps everything in memory, for readers of small programs. steps: moments and their events."""

    def __init__(self) -> None:
        self.steps: list[tuple[Moment, list[Event]]] = []

    def step(self, moment: Moment) -> None:
        """See Sink."""
        self.steps.append((moment, []))

    def event(self, event: Event) -> None:
        """See Sink."""
        self.steps[-1][1].append(event)
