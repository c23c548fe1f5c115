"""Every error that pocketnn raises on purpose: one root, so that one `except` catches them all.

A message says what is wrong, where, the value, the bound, and what to do.
"""

from typing import ClassVar

__all__ = [
    "CorruptError",
    "DataError",
    "DivergenceError",
    "IncompleteError",
    "OverflowTrap",
    "PocketNNError",
    "RecordingError",
    "ShapeError",
    "TargetError",
    "UsageError",
    "VersionError",
]


class PocketNNError(Exception):
    """Root of every error raised on purpose by pocketnn. exit_code: of a command that ends with it."""

    exit_code: ClassVar[int] = 2


class UsageError(PocketNNError, ValueError):
    """A call or an option asks for something that does not exist or cannot be combined."""


class ShapeError(UsageError):
    """Operands whose shapes do not go together."""


class DataError(PocketNNError, ValueError):
    """A file or an array from outside is not what it should be: wrong magic, cut off, out of range."""


class OverflowTrap(PocketNNError, ArithmeticError):
    """A register overflowed on a machine that was asked to trap; `witness` holds the first narrowing."""

    exit_code = 1

    def __init__(self, message: str, witness: object) -> None:
        super().__init__(message)
        self.witness = witness


class DivergenceError(PocketNNError):
    """Two computations that must agree do not; the message names the first difference."""

    exit_code = 1


class CorruptError(DataError):
    """A trace whose contents contradict each other: damaged, tampered with, or never written by pocketnn."""

    exit_code = 3


class RecordingError(PocketNNError):
    """A trace file that cannot be written, or not any further."""


class VersionError(DataError):
    """A file in a format, of arithmetic semantics, or of a release that this one does not know or go on with."""

    exit_code = 5


class IncompleteError(DataError):
    """A device's log that was cut off or garbled on the way."""

    exit_code = 4


class TargetError(PocketNNError):
    """An exported program that does not build, run or finish on its target."""

    exit_code = 1
