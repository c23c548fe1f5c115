"""The one-method interface that every way of computing implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import numpy as np

from pocketnn.arith.flags import Flags, OwnRange, Span, Terms
from pocketnn.arith.ops import Op
from pocketnn.arith.word import Register
from pocketnn.errors import DataError, UsageError

__all__ = ["Around", "Backend", "Integers", "Outcome", "Values", "as_integers", "check_taken"]

_MOST_AXES = 32  # what NumPy iterates over
_RAGGED = "rows of different lengths where a rectangular array of integers belongs"

Integers = np.ndarray[Any, np.dtype[Any]]


class Values(Protocol):
    """What a backend hands out: opaque but for its shape and the integers in it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions; () is a single value."""

    @property
    def size(self) -> int:
        """Number of elements."""

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The register contents as an array (a copy or a read-only view) of an integer dtype that holds them all."""

    def numbers(self) -> Integers:
        """The register contents in whatever dtype they are kept, exact there; not to be written to. Costs nothing."""


class Outcome(NamedTuple):
    """Result of one op: the narrowed values, the flags, and the exact range if the backend measures it.

    span: None where it does not, or there is no element; OWN_RANGE where it is the range of `value` itself; Terms where
    it follows from `value` and these.
    """

    value: Any
    flags: Flags
    span: Span | OwnRange | Terms | None


class Backend(ABC):
    """A way to execute ops. Networks, recorders and auditors know nothing else of the arithmetic."""

    @abstractmethod
    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` exactly, narrow every result into `to`, and report what did not fit.

        args: the op's register operands (values this backend handed out; for `load`, integers from outside),
        then its static parameters. site: where the op is written, for messages. Raises ShapeError.
        """

    def measuring(self) -> Backend:
        """A backend of the same kind that reports spans and takes the same values; itself, if it does already."""
        return self

    def takes(self, value: object) -> bool:
        """Whether `value` is of the kind that this backend hands out, so that `apply` takes it for an operand."""
        return True


class Around(Backend):
    """A backend around another one, `inner`, which computes."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner

    def takes(self, value: object) -> bool:
        """What the inner backend takes."""
        return self.inner.takes(value)


def check_taken(backend: Backend, operands: tuple[object, ...], site: str) -> None:
    """Raise UsageError if an operand is no value of `backend`: for backends that would compute with it all the same."""
    for x in operands:
        if not backend.takes(x):
            raise UsageError(f"{site}: {x!r:.60} is no value of {type(backend).__name__}; load it first")


def as_integers(outside: object) -> Integers:
    """Integers from outside (an int, nested sequences, an integer array) as an array of any integer dtype, in this
    machine's byte order.

    Integers beyond 64 bits come as an object array of Python ints. Raises DataError for anything that is not a
    whole number (floats, NaN, booleans, text) and for ragged rows; nothing is ever rounded.
    """
    # Object first for everything but arrays: NumPy would turn True into 1, and integers near 2^64 into floats.
    try:
        array = np.asarray(outside) if isinstance(outside, np.ndarray) else np.asarray(outside, dtype=object)
    except ValueError as error:
        raise DataError(_RAGGED) from error
    if array.dtype.kind in "iu":
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype != object:
        raise DataError(
            f"{array.flat[0]!r} (dtype {array.dtype}) where integers belong; pocketnn never rounds: "
            "quantise explicitly, then pass integers"
        )
    if array.ndim > _MOST_AXES:
        raise DataError(f"{array.ndim} axes where integers belong; at most {_MOST_AXES} are of any use here")
    for item in array.flat:
        if isinstance(item, (list, tuple, np.ndarray)):
            raise DataError(_RAGGED)
        if isinstance(item, (bool, np.bool_)) or not isinstance(item, (int, np.integer)):
            raise DataError(f"{item!r} ({type(item).__name__}) where an integer belongs; convert it explicitly")
    try:
        return array.astype(np.int64)
    except OverflowError:
        return np.array([int(item) for item in array.flat], dtype=object).reshape(array.shape)
