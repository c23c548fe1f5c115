"""Recorder: a backend that wraps a backend. It calls the inner one, notes down what happened, and returns.

What happened is only noted down at first: ranges and digests are found for all results of a step together (`settle`),
in two thirds of the time that looking at each result by itself takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from pocketnn.arith import MAX_BITS, OPS, Around, Extent, Op, Register, Role, Terms, Word
from pocketnn.arith.backend import Outcome, as_integers
from pocketnn.errors import RecordingError
from pocketnn.machine import Machine
from pocketnn.trace.event import Code, Event, Handle, Moment, Sink
from pocketnn.trace.figures import measure, range_of

__all__ = ["Program", "Recorder"]

_LOAD = OPS["load"]
_new = tuple.__new__  # makes a named tuple in half the time that calling its class takes
_HOST = Register(Role.HOST, Word(MAX_BITS))  # for values whose own register nobody knows any more
_MOST = 1 << 21  # elements of results that wait to be settled: they take memory


class Recorder(Around):
    """Executes every op on the backend of `machine` and tells `sink`; hands out Handles around that backend's values.

    To be used by `machine.over(recorder)`, in a `with` statement: at its end the sink is told of the last ops. first,
    last: which steps to record, counted from 1 (the build before the first counts as 1), both included; the first op
    after the machine's clock was set begins a new step. A value from before the first recorded step, or one that the
    inner backend made before it was wrapped, is recorded as a `load` of its register contents when it is first used, at
    the site "SITE.given": its own site, or for one that the inner backend made the site that uses it.

    The ranges of recorded ops are not in their outcomes; they go to the ledger, after each step or when it is read.
    """

    def __init__(self, machine: Machine, sink: Sink, first: int = 1, last: int | None = None) -> None:
        super().__init__(machine.backend)
        self.sink = sink
        self.clock = machine.clock
        self._sites = machine.ledger.sites
        self.first, self.last = first, last
        self.steps = 0
        self.events = 0
        self._ticks = -1
        self._recording = False
        self._moment: Moment | None = None  # of a step that the sink does not know yet
        self._reporting = False
        # Its own kind of Handle: those of other recorders are foreign values.
        self._handle: type[Handle] = type("Handle", (Handle,), {"__slots__": ()})
        self._unrecorded = False  # whether there are handles that no event made
        self._waiting: list[Event] = []
        self._elements = 0
        self._codes: dict[str, Code] = {}  # the latest of each site
        self._distinct: dict[Code, Code] = {}
        self._extents: dict[int, Extent] = {}  # by id() of the code
        self._foreign: dict[int, tuple[Any, Handle]] = {}

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A sink that failed says so again; what made it fail is on its way to the user.
        with contextlib.nullcontext() if error is None else contextlib.suppress(RecordingError):
            self.settle()
        self._recording, self.last = False, 0
        for extent in self._extents.values():
            extent.behind.discard(self.settle)

    def measuring(self) -> Recorder:
        """This recorder, which from now on puts the ranges into its outcomes as well."""
        self._reporting = True
        return self

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` and record it; see Backend.apply."""
        if self.clock.ticks != self._ticks:
            self._turn()
        kind = self._handle
        operands: tuple[Any, ...] = ()
        params: tuple[Any, ...] = ()
        outside = None
        if op is _LOAD:
            outside = as_integers(args[0]).copy()  # the caller may fill its array anew before the step ends
            args = (outside,)
        else:
            arity = op.arity
            operands, params = (args, ()) if len(args) == arity else (args[:arity], args[arity:])
            values = [x.value for x in operands if type(x) is kind]
            if len(values) < arity:
                operands = tuple([x if type(x) is kind else self._adopt(x, site) for x in operands])
                values = [x.value for x in operands]
            args = (*values, *params)
        value, flags, span = self.inner.apply(op, args, to, site)
        shape = value.shape
        code = self._codes.get(site)
        if code is None or code.shape != shape or code.op is not op or code.to is not to or code.params != params:
            code = self._code(Code(op, site, to, params, shape))
        if not self._recording:
            self._unrecorded = True
            return Outcome(kind(0, code, value), flags, span)
        if self._unrecorded:
            for x in operands:
                if x.id == 0:
                    self._given(x)
        self.events = identity = self.events + 1
        handle = kind(identity, code, value)
        self._waiting.append(_new(Event, (handle, operands, outside, flags, span)))
        if self._moment is not None:
            self._announce()
        self._elements += handle.size + (span.size if type(span) is Terms else 0)
        if self._elements > _MOST:
            self.settle()
        return _new(Outcome, (handle, flags, span if self._reporting else None))

    def takes(self, value: object) -> bool:
        """What the inner backend takes, and its values with any recorder's handle around them."""
        while isinstance(value, Handle):
            value = value.value
        return self.inner.takes(value)

    def settle(self) -> None:
        """Find ranges and digests of all that was noted down, and tell the ledger and the sink.

        Interrupted, it has to be called again; the sink is told at the end.
        """
        events = self._waiting
        if not events:
            return
        entries = measure(events)
        extents = map(self._extents.get, [id(event.result.code) for event in events])
        for extent, entry in zip(extents, entries, strict=True):
            if extent is not None:
                extent.cover(range_of(entry))
        self._announce()
        self.sink.events(events, entries)
        self._waiting, self._elements = [], 0

    def _turn(self) -> None:
        """The clock was set: another step begins."""
        self.settle()
        clock = self.clock
        self._ticks = clock.ticks
        self.steps += 1
        self._recording = self.first <= self.steps and (self.last is None or self.steps <= self.last)
        if self._recording:
            self._moment = Moment(clock.phase, clock.epoch, clock.step)

    def _announce(self) -> None:
        """Tell the sink of a step that it does not know yet: not before there is an event, for there could be none."""
        if self._moment is not None:
            self.sink.step(self._moment)
            self._moment = None

    def _code(self, code: Code) -> Code:
        """The one of all equal codes. From now on its site's range waits for `settle`; that of labels, which are in no
        ledger, does not.
        """
        code = self._codes[code.site] = self._distinct.setdefault(code, code)
        site = self._sites.get(code.key)
        if site is not None:
            self._extents[id(code)] = site.extent
            site.extent.behind.add(self.settle)
        return code

    def _adopt(self, value: Any, site: str) -> Handle:
        """A handle for a value that the inner backend made before it was wrapped; the same one at every use.

        A recorder over this one has wrapped handles of this one; one that has ended, values of the inner backend.
        """
        inside = value
        while isinstance(inside, Handle):
            if type(inside) is self._handle:
                return inside
            inside = inside.value
        if not isinstance(self.inner, Recorder):
            value = inside
        known = self._foreign.get(id(value))
        if known is None:
            self._unrecorded = True
            code = Code(_LOAD, site, _HOST, (), value.shape)
            known = self._foreign[id(value)] = (value, self._handle(0, code, value))
        return known[1]

    def _given(self, x: Handle) -> None:
        """Record the contents of a register that was filled before the recording began."""
        self.events += 1
        x.id = self.events
        x.code = Code(_LOAD, f"{x.code.site}.given", x.code.to, (), x.shape)
        contents = x.ints()
        _, flags, span = self.inner.apply(_LOAD, (contents,), x.code.to, x.code.site)
        self._waiting.append(Event(x, (), contents, flags, span))
        self._elements += x.size


class Program:
    """A sink that keeps everything in memory, for readers of small programs. steps: moments and their events."""

    def __init__(self) -> None:
        self.steps: list[tuple[Moment, list[Event]]] = []

    def step(self, moment: Moment) -> None:
        """See Sink."""
        if not self.steps or self.steps[-1][1]:
            self.steps.append((moment, []))

    def events(self, events: Sequence[Event], entries: Sequence[list[Any]]) -> None:
        """See Sink."""
        known = self.steps[-1][1]
        last = known[-1].result.id if known else 0
        known += [event for event in events if event.result.id > last]
