"""What a network keeps in memory on a microcontroller, and how many bytes that takes at given widths.

The firmware meant is plain C that computes what the emulator computes: one array per matrix, a batch of rows kept for
the update, updates computed row by row and applied at once. Code, stack and the training images are not counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pocketnn.arith import Role, Word
from pocketnn.machine import Widths

__all__ = ["Need", "Stored", "bytes_of", "inference", "needs", "training"]

_TYPES = (8, 16, 32, 64)  # of C's int8_t, int16_t, int32_t, int64_t


@dataclass(frozen=True, slots=True)
class Stored:
    """An array that firmware keeps. flash: whether it never changes; else it is in RAM."""

    what: str
    role: Role
    elements: int
    flash: bool


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of flash and of RAM."""

    flash: int
    ram: int


def bytes_of(word: Word) -> int:
    """Bytes of the narrowest C integer type that holds the word."""
    return next(bits for bits in _TYPES if word.bits <= bits) // 8


def needs(stored: Sequence[Stored], widths: Widths) -> Need:
    """What arrays take at the widths of a machine."""

    def total(flash: bool) -> int:
        return sum(item.elements * bytes_of(widths[item.role]) for item in stored if item.flash is flash)

    return Need(total(True), total(False))


def inference(dims: Sequence[int], batch_norm: bool = False, rows: int = 1) -> tuple[Stored, ...]:
    """Arrays of a forward pass of `rows` rows (more than one only for batch normalisation): two layers at a time."""
    outs = dims[1:]
    pairs = [a + b for a, b in itertools.pairwise(outs)] or [outs[0]]
    return (
        *_parameters(dims, batch_norm, flash=True),
        Stored("input", Role.INPUT, rows * dims[0], False),
        Stored("sums", Role.ACCUMULATOR, rows * max(outs), False),
        Stored("activations", Role.ACTIVATION, rows * max(pairs), False),
    )


def training(
    dims: Sequence[int], batch: int, algorithm: str, batch_norm: bool = False, carry: bool = False
) -> tuple[Stored, ...]:
    """Arrays of training in batches: the parameters change, and every layer's activations are kept for the update.

    carry: a remainder is kept for each weight and bias.
    """
    outs = dims[1:]
    units = batch * sum(outs)
    feedback = sum(outs[:-1]) * outs[-1] if algorithm == "dfa" else 0
    return (
        *_parameters(dims, batch_norm, flash=False),
        Stored("feedback matrices", Role.FEEDBACK, feedback, True),
        Stored("input", Role.INPUT, batch * dims[0], False),
        Stored("sums", Role.ACCUMULATOR, batch * max(outs), False),
        Stored("activations", Role.ACTIVATION, units, False),
        Stored("slopes", Role.CONSTANT, units, False),
        Stored("standardised", Role.ACCUMULATOR, units if batch_norm else 0, False),
        Stored("deltas", Role.DELTA, batch * (outs[-1] + max(outs)), False),
        Stored("updates", Role.UPDATE, max(outs), False),
        Stored("remainders", Role.UPDATE, sum(n * m + m for n, m in itertools.pairwise(dims)) if carry else 0, False),
    )


def _parameters(dims: Sequence[int], batch_norm: bool, flash: bool) -> tuple[Stored, ...]:
    weights = sum(n * m for n, m in itertools.pairwise(dims))
    units = sum(dims[1:])
    return (
        Stored("weights", Role.WEIGHT, weights + (units if batch_norm else 0), flash),
        Stored("biases", Role.BIAS, units, flash),
    )
