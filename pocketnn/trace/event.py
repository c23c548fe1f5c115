"""What a recorded program consists of: codes (where and how an op is written), events (an op executed), steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from pocketnn.arith import Flags, Op, OwnRange, Register, Span, Tensor, Terms, Values
from pocketnn.arith.backend import Integers
from pocketnn.errors import DataError
from pocketnn.ledger import SiteKey

__all__ = ["Code", "Event", "Handle", "Moment", "Sink", "params_from_text", "params_to_text"]


class Code(NamedTuple):
    """The static part of an event: op, site, destination register, static parameters, shape of the result."""

    op: Op
    site: str
    to: Register
    params: tuple[Any, ...]
    shape: tuple[int, ...]

    @property
    def key(self) -> SiteKey:
        """The site that it belongs to."""
        return SiteKey(self.site, self.op.name, self.to.role)


class Handle:
    """A value of a recorded program: what a Recorder hands out in place of the inner backend's `value`.

    id: of the event that made it; ids count from 1 without gaps. size: number of elements.
    """

    __slots__ = ("code", "id", "size", "value")

    def __init__(self, identity: int, code: Code, value: Values) -> None:
        self.id = identity
        self.code = code
        self.value = value
        self.size = value.size

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""
        return self.code.shape

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The register contents; see Values."""
        return self.value.ints(dtype)

    def numbers(self) -> Integers:
        """The elements as they are kept; see Values."""
        return self.value.numbers()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as a value of no recording."""
        return Handle, (self.id, self.code, self.value)

    def __repr__(self) -> str:
        return f"<Handle {self.id} {self.code.site} {self.shape}>"


class Event(NamedTuple):
    """One executed op. outside: for `load`, the integers it was given, before narrowing; else None. flags, span: as the
    backend reported them."""

    result: Handle
    operands: tuple[Handle, ...]
    outside: Any
    flags: Flags
    span: Span | OwnRange | Terms | None


class Moment(NamedTuple):
    """When something ran: phase ("build", "train", "test", ...), epoch and step of the machine's clock."""

    phase: str
    epoch: int
    step: int


class Sink(Protocol):
    """Where a Recorder puts what it saw, in order. After an interrupt it may say again what it said last."""

    def step(self, moment: Moment) -> None:
        """The events that follow belong to a new step, of which there is at least one."""

    def events(self, events: Sequence[Event], entries: Sequence[list[Any]]) -> None:
        """More ops of the step were executed; `entries` are their figures, as `figures.measure` gives them."""


def params_to_text(op: Op, params: tuple[Any, ...]) -> str:
    """An op's static parameters as JSON: numbers, lists, and {"shape", "items"} for an index table."""
    return json.dumps(
        [{"shape": p.shape, "items": p.items} if isinstance(p, Tensor) else p for p in params], separators=(",", ":")
    )


def params_from_text(op: Op, text: str) -> tuple[Any, ...]:
    """The inverse of `params_to_text`. Raises DataError for anything that is not a parameter list of `op`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"parameters of {op.name} are {text[:40]!r}, which is not JSON") from error
    if not isinstance(found, list) or len(found) != len(op.params):
        raise DataError(f"parameters of {op.name} are {text[:40]!r}; a list of {len(op.params)} belongs here")
    return tuple(_param(op, name, value) for name, value in zip(op.params, found, strict=True))


def _param(op: Op, name: str, value: Any) -> Any:
    if name == "axis" and type(value) is int:
        return value
    if name in ("axes", "shape") and _whole(value):
        return tuple(value)
    if name == "indices" and isinstance(value, dict) and set(value) == {"shape", "items"}:
        shape, items = value["shape"], value["items"]
        if _whole(shape) and _whole(items) and _product(shape) == len(items):
            return Tensor(tuple(shape), tuple(items))
    raise DataError(f"parameter {name} of {op.name} is {str(value)[:40]!r}, which it cannot be")


def _whole(value: Any) -> bool:
    return isinstance(value, list) and all(type(x) is int for x in value)


def _product(shape: list[int]) -> int:
    result = 1
    for n in shape:
        if n < 0:
            return -1
        result *= n
    return result
