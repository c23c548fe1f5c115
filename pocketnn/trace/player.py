"""Player: runs the ops of a trace again, through any backend and on any machine. Knows no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketnn.arith import OPS, Around, Op, Outcome, Register, Role, Values, settled
from pocketnn.arith.backend import Integers
from pocketnn.errors import CorruptError, ShapeError
from pocketnn.machine import Machine
from pocketnn.trace.event import Code, Event, Handle
from pocketnn.trace.reader import Step, Trace
from pocketnn.trace.schema import INTERVAL

__all__ = ["Player"]

_MAX_LIVE = 1 << 26  # elements of all values alive at once; half a gigabyte of them
_LOAD = OPS["load"]


class _Tap(Around):
    """Calls the inner backend and keeps what came out, for the machine passes only values on."""

    last: Outcome

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` on the inner backend; see Backend.apply."""
        self.last = settled(self.inner.apply(op, args, to, site))
        return self.last


class Player:
    """Executes steps of a trace on a machine, whose ledger fills as in a live run.

    Values are freed once no later step needs them. scored: right predictions in the last step, and all of them.
    """

    def __init__(self, trace: Trace, machine: Machine) -> None:
        self.trace = trace
        self._tap = _Tap(machine.backend)
        self.machine = machine.over(self._tap)
        self.values: dict[int, Values] = {}
        self.scored = (0, 0)
        self._predicted: Values | None = None
        self._until = _last_steps(trace)
        self._agreed: set[tuple[int, tuple[tuple[int, ...], ...]]] = set()
        self._live = 0

    def adopt(self, contents: Mapping[int, Integers]) -> None:
        """Take register contents of earlier events, by id, as values of this machine."""
        for event, integers in contents.items():
            code = self.trace.code_of(event)
            register = self.machine.register(code.to.role)
            self._keep(event, self._tap.inner.apply(_LOAD, (integers,), register, code.site).value)

    def contents(self) -> dict[int, Integers]:
        """The register contents of every value that is alive, by event id."""
        return {event: value.ints() for event, value in self.values.items()}

    def seek(self, step: Step) -> Step:
        """Forget all values and take those of the last checkpoint at or before `step`; returns where to go on from."""
        self.values.clear()
        self._live = 0
        interval = (step.id - 1) // INTERVAL
        return self.trace.steps[interval * INTERVAL]

    def run(self, step: Step, until: int | None = None) -> list[Event]:
        """Execute every event of a step, in order, or those before the event `until`, and free nothing.

        Raises CorruptError where the trace is no program.
        """
        trace = self.trace
        if (step.id - 1) % INTERVAL == 0:
            saved = trace.checkpoint((step.id - 1) // INTERVAL)
            self.adopt({event: integers for event, integers in saved.items() if event not in self.values})
        self.machine.now(*step.moment)
        self.scored = (0, 0)
        events: list[Event] = []
        for identity, (number, _) in enumerate(trace.plans[step.plan].entries, start=step.first_event):
            if identity == until:
                return events
            code = trace.codes[number]
            value, flags, span = self._execute(identity, number, code)
            self._keep(identity, value)
            events.append(Event(Handle(identity, code, value), (), None, flags, span))
        self._forget(step)
        return events

    def operands(self, event: int, code: Code) -> tuple[Any, ...]:
        """What an event's op is applied to: the leaf for `load`, else values; then its static parameters."""
        if code.op is _LOAD:
            return (self.trace.leaf(event),)
        operands = self.trace.operands_of(event)
        try:
            return (*[self.values[x] for x in operands], *code.params)
        except KeyError as error:
            where = f"{self.trace.path}: event {event}"
            raise CorruptError(f"{where} needs the value of event {error}, which is not there") from None

    def _execute(self, identity: int, number: int, code: Code) -> Outcome:
        args = self.operands(identity, code)
        shapes = tuple([x.shape for x in args[: code.op.arity]])
        if (number, shapes) not in self._agreed:
            try:
                agreed = code.op.shape(shapes, code.params) == code.shape
            except (ShapeError, IndexError) as error:
                raise CorruptError(f"{self.trace.path}: event {identity} ({code.site}): {error}") from error
            if not agreed:
                raise CorruptError(f"{self.trace.path}: event {identity} ({code.site}): {code.shape} is not its shape")
            self._agreed.add((number, shapes))
        if code.to.role is Role.HOST:
            self._score(code, args)
        else:
            value = self.machine.apply(code.op, args, code.to.role, code.site)
            if code.op.name == "argmax":
                self._predicted = value
        return self._tap.last

    def _score(self, code: Code, args: tuple[Any, ...]) -> None:
        """Load what is not on the machine; labels are what the latest predictions of the same shape are scored by."""
        predicted = self._predicted
        if predicted is None or predicted.shape != code.shape:
            self._tap.apply(code.op, args, code.to, code.site)
            return
        right, every = self.scored
        self.scored = (right + self.machine.score(predicted, args[0]), every + predicted.size)
        self._predicted = None

    def _keep(self, event: int, value: Values) -> None:
        self.values[event] = value
        self._live += value.size
        if self._live > _MAX_LIVE:
            raise CorruptError(f"{self.trace.path}: event {event} makes more than {_MAX_LIVE} elements alive at once")

    def _forget(self, done: Step) -> None:
        """Free what neither the next step nor, by its id, any later one refers to."""
        for event in [e for e in self.values if e < done.first_event and self._until.get(e, 0) <= done.id]:
            self._live -= self.values.pop(event).size


def _last_steps(trace: Trace) -> dict[int, int]:
    """For every event that is referred to by its id: the last step that does so."""
    last = {step.plan: step.id for step in trace.steps}
    until: dict[int, int] = {}
    for plan, (entries,) in trace.plans.items():
        for _, references in entries:
            for x in references:
                if x > 0:
                    until[x] = max(until.get(x, 0), last.get(plan, 0))
    return until
