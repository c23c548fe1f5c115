"""Native backend: the op table's C column, compiled for this computer and called through ctypes.

NumPy only lays the operands out in the order in which their values meet; what is computed, narrowed and counted is C
(`native_source`). Equal to Reference in every value, flag and span.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pocketnn.arith.backend import Backend, Integers, Outcome, as_integers, check_taken
from pocketnn.arith.flags import CLEAN, Flags, Span
from pocketnn.arith.native_library import library
from pocketnn.arith.native_source import FOUND, KERNELS, LANES, kernel_name
from pocketnn.arith.ops import OPS, Op, Tensor
from pocketnn.arith.reference import Reference
from pocketnn.arith.word import Overflow, Register, Role, Word
from pocketnn.errors import PocketNNError

__all__ = ["Native", "sequence"]

_OUTSIDE = 64  # bits of an integer from outside that C takes


@dataclass(frozen=True, slots=True)
class _Held:
    """Register values: an int64 array in C order that nobody writes to, and the bits that hold each of them."""

    integers: Integers
    bits: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""
        shape: tuple[int, ...] = self.integers.shape
        return shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.integers.size

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The elements as integers; see Values."""
        return self.integers.astype(dtype)

    def numbers(self) -> Integers:
        """The elements as they are kept; see Values."""
        return self.integers


class _Target(ctypes.Structure):
    """`target` of the C source."""

    _fields_ = [(name, ctypes.c_int64) for name in ("lo", "hi", "mask", "sign", "saturate", "update")]


class Native(Backend):
    """Kernels in C, equal to Reference in every value, flag and span; always measures spans.

    Raises UsageError without a C compiler, and if it does not compile the kernels.
    """

    def __init__(self) -> None:
        self._kernels = _kernels(library())

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` in C; see Backend.apply."""
        if op.name == "load":
            return self._load(op, args, to, site)
        operands, params = args[: op.arity], args[op.arity :]
        check_taken(self, operands, site)  # C would read others as if they were int64
        shape = op.shape(tuple(x.shape for x in operands), params)
        if op.depth is not None:
            return self._fold(op, operands, op.depth(tuple(x.shape for x in operands), params), params, shape, to)
        length, arrays = 1, [x.integers for x in operands]
        if op.name in _LAID_OUT:
            arrays = [_LAID_OUT[op.name](arrays[0], *params)]
        elif op.name == "argmax":
            length = operands[0].shape[-1]
        elif op.name == "select":
            length = operands[1].size
        else:
            arrays = [x if x.size == 1 else np.broadcast_to(x, shape) for x in arrays]
        bits = 128 if op.name == "mul" and sum(x.bits for x in operands) > _OUTSIDE else 64
        return self._each(op, bits, arrays, length, shape, to)

    def takes(self, value: object) -> bool:
        """Values of this backend."""
        return isinstance(value, _Held)

    def _load(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Integers from outside; those beyond 64 bits, which no C type takes, are left to the definition."""
        outside = as_integers(args[0])
        if outside.dtype == object or (outside.dtype == np.uint64 and outside.max(initial=0) >= 1 << (_OUTSIDE - 1)):
            value, flags, span = Reference().apply(op, args, to, site)
            return Outcome(_Held(value.ints(), to.word.bits), flags, span)
        return self._each(op, 64, [outside.astype(np.int64)], 1, outside.shape, to)

    def _each(
        self, op: Op, bits: int, arrays: list[Integers], length: int, shape: tuple[int, ...], to: Register
    ) -> Outcome:
        """One exact value per element. An array of one element serves all of them."""
        kept = [np.ascontiguousarray(x) for x in arrays]
        given: list[Any] = []
        for i in range(3):
            array = kept[min(i, len(kept) - 1)]
            given += [array.ctypes.data, int(array.size != 1)]
        return self._call(op, bits, [*given, length, _size(shape)], shape, to)

    def _fold(
        self,
        op: Op,
        operands: tuple[_Held, ...],
        depth: int,
        params: tuple[Any, ...],
        shape: tuple[int, ...],
        to: Register,
    ) -> Outcome:
        """Terms narrowed and added in order, in the narrowest lane that holds every value on the way."""
        if op.rounds == 2:
            left, right = (x.integers for x in operands)
            rows, columns = shape
        else:
            left = right = np.moveaxis(operands[0].integers, params[0], 0)
            rows, columns = 1, _size(shape)
        bits = _lane(sum(x.bits for x in operands), depth, op.rounds, to.word)
        if bits > 32:  # by what they hold, not by what they could: 128 bits take ten times as long as 64
            bits = _lane(sum(_needed(x.integers) for x in operands), depth, op.rounds, to.word)
        kept = [np.ascontiguousarray(x, LANES[bits].operand.removesuffix("_t")) for x in (left, right)]
        return self._call(op, bits, [*(x.ctypes.data for x in kept), rows, depth, columns, None], shape, to)

    def mac_fold(self, left: Integers, right: Integers, dtype: type, to: Register) -> tuple[Integers, Integers, int]:
        """`sequential.fold` of (N, K) by (K, M), whole numbers in any dtype. `dtype` is not heeded."""
        (rows, depth), columns = left.shape, right.shape[1]
        bits = _lane(_needed(left) + _needed(right), depth, 2, to.word)
        kept = [np.ascontiguousarray(x, LANES[bits].operand.removesuffix("_t")) for x in (left, right)]
        overflows = np.empty((rows, columns), np.int64)
        given = [*(x.ctypes.data for x in kept), rows, depth, columns, overflows.ctypes.data]
        value, flags, _ = self._call(OPS["mac"], bits, given, overflows.shape, to)
        return value.integers, overflows > 0, flags.events

    def _call(self, op: Op, bits: int, given: list[Any], shape: tuple[int, ...], to: Register) -> Outcome:
        word = to.word
        target = _Target(
            word.lo, word.hi, word.hi - word.lo, -word.lo,
            int(to.overflow is Overflow.SATURATE), int(to.role is Role.UPDATE),
        )  # fmt: skip
        result = np.empty(shape, np.int64)
        found = (ctypes.c_int64 * FOUND)()
        self._kernels[op.name, bits](*given, ctypes.byref(target), result.ctypes.data, found)
        result.setflags(write=False)
        flags = Flags(*found[:7])
        ends = [(found[i] << 64) + (found[i + 1] & ((1 << 64) - 1)) for i in range(7, FOUND, 2)]
        span = Span(*ends) if result.size else None
        return Outcome(_Held(result, word.bits), CLEAN if flags == CLEAN else flags, span)


@cache
def sequence() -> Callable[[Integers, Integers, type, Register], tuple[Integers, Integers, int]] | None:
    """`Native.mac_fold`; None where there is no C compiler, or it does not compile the kernels."""
    try:
        return Native().mac_fold
    except PocketNNError:
        return None


def _kernels(loaded: ctypes.CDLL) -> dict[tuple[str, int], Any]:
    """The library's functions by op and lane, with the types of what they take."""
    array, number = ctypes.c_void_p, ctypes.c_int64
    found = {}
    for op, bits in KERNELS:
        kernel = found[op.name, bits] = loaded[kernel_name(op, bits)]
        taken = [array, number] * 3 + [number] * 2 if op.depth is None else [array] * 2 + [number] * 3 + [array]
        kernel.argtypes = [*taken, array, array, array]
        kernel.restype = None
    return found


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _needed(x: Integers) -> int:
    """Bits that hold every element."""
    return Word.holding(int(x.min(initial=0)), int(x.max(initial=0)))


def _lane(term: int, depth: int, rounds: int, to: Word) -> int:
    """Bits of the narrowest lane for a fold of `depth` terms of `term` bits into a word.

    It holds a term, the sum of an accumulator and what enters it (the term, narrowed first if there are two rounds),
    and how often an element may overflow; its type for totals holds the sum of all terms.
    """
    entering = to.bits if rounds == 2 else term
    single = max(term, max(entering, to.bits) + 1, depth.bit_length() + rounds)
    if max(single, term + depth.bit_length()) > 64:
        return 128
    return 32 if single <= 32 else 64


def _gathered(x: Integers, indices: Tensor) -> Integers:
    padded = np.concatenate([x, np.zeros((*x.shape[:-1], 1), np.int64)], axis=-1)  # index -1 is the zero
    return padded.take(np.array(indices.items, np.intp).reshape(indices.shape), axis=-1)


_LAID_OUT: dict[str, Callable[..., Integers]] = {
    "gather": _gathered,
    "transpose": np.transpose,
    "reshape": np.reshape,
}
"""Ops that move values: the operand in the order of the result."""
