"""Vector backend: NumPy, exact by precondition.

Register values travel as floats with known bounds (`carrier.py`). Every kernel computes the exact result in a
dtype that its operands' bounds show to be exact (float32, float64, int64, else Python ints), then narrows it.
`mac` and `sum` are in `folds.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from pocketnn.arith import folds
from pocketnn.arith.backend import Backend, Outcome, as_integers
from pocketnn.arith.carrier import EXACT32, LARGE, Array, Carrier, exact_dtype, narrowed, recast
from pocketnn.arith.flags import Flags
from pocketnn.arith.how import HAVE_COMPILED, How
from pocketnn.arith.ops import OPS, Op, Tensor
from pocketnn.arith.word import Register, Role
from pocketnn.errors import DataError, UsageError

__all__ = ["Vector"]

_UPDATE = Role.UPDATE  # looking it up in the class takes 0.1 us in Python 3.11
_FEW_BOUNDS = 16  # which a kernel compares with one after the other in less time than looking up takes
_LARGEST_TABLE = 1 << 12  # elements of a table of pieces (select); the pocket activations need 257

Kernel = Callable[[tuple[Any, ...], Register, How], Outcome]


class Vector(Backend):
    """NumPy arrays, equal to Reference in every value, flag and (with `measure`) span.

    measure: also report each op's exact range before narrowing. compiled: run folds that need the sequence in the
    compiled kernel of the extra `fast`; None means when it is installed, and where it is not, in the kernel that a C
    compiler makes, if there is one. Raises UsageError if it is asked for and missing.
    """

    def __init__(self, measure: bool = False, compiled: bool | None = None) -> None:
        if compiled and not HAVE_COMPILED:
            raise UsageError("the compiled kernel needs numba: pip install 'pocketnn[fast]'")
        # Freeing one large block teaches glibc's malloc to keep freed memory (its thresholds follow the largest block
        # freed); without it each step of an MNIST run faults 200 pages in anew, a third of the run. The block is
        # never touched, so it costs nothing; other allocators ignore it.
        np.empty(1 << 24, np.uint8)
        self._how = How(measure, kernels=compiled is not False)

    def measuring(self) -> Vector:
        """This backend, reporting spans."""
        return self if self._how.measure else Vector(True, None if self._how.kernels else False)

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` on arrays; see Backend.apply."""
        try:
            return _KERNELS[op.name](args, to, self._how)
        except DataError:
            raise
        except (ValueError, IndexError):  # NumPy's own words for operands whose shapes do not go together
            op.shape(tuple(x.shape for x in args[: op.arity]), args[op.arity :])
            raise

    def takes(self, value: object) -> bool:
        """Values of this backend."""
        return isinstance(value, Carrier)


def _load(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    data = as_integers(args[0])
    if data.dtype == np.uint8:
        lo, hi = 0, 255
    else:
        lo, hi = how.extremes(data)
    # uint64 has no exact common type with negative bounds; anything beyond int64's spare bit goes as Python ints
    exact = data.astype(exact_dtype(max(-lo, hi)))
    return narrowed(exact, lo, hi, to, how)


def _binary(ufunc: Any, a: Carrier, b: Carrier, lo: int, hi: int, to: Register, how: How) -> Outcome:
    """Apply a NumPy ufunc whose exact results lie in lo..hi, in a dtype that is exact for them, then narrow."""
    if lo > -EXACT32 and hi < EXACT32:
        exact = ufunc(a.data, b.data)  # float32 only where both operands are: exact either way
    else:
        dtype = exact_dtype(max(-lo, hi))
        exact = np.asarray(ufunc(recast(a.data, dtype), recast(b.data, dtype)), dtype)
    return narrowed(exact, lo, hi, to, how)


def _add(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    a, b = args
    lo, hi, x, y = a.lo + b.lo, a.hi + b.hi, a.data, b.data
    if x.size > LARGE and how.compiled is not None and lo > -EXACT32 and hi < EXACT32 and _alike(x, y):
        # Weights and their updates: their extremes, for which the next product asks, come at no cost.
        exact, lo, hi = how.compiled.add(x, y)
        return narrowed(exact, lo, hi, to, how, tight=True)
    return _binary(np.add, a, b, lo, hi, to, how)


def _alike(x: Array, y: Array) -> bool:
    """Whether both are float32, of one shape, and in C order."""
    same: bool = x.dtype == y.dtype == np.float32 and x.shape == y.shape
    return same and x.flags.c_contiguous and y.flags.c_contiguous


def _sub(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    a, b = args
    return _binary(np.subtract, a, b, a.lo - b.hi, a.hi - b.lo, to, how)


def _neg(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    (a,) = args
    return narrowed(np.negative(a.data), -a.hi, -a.lo, to, how, a.tight)


def _mul(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    a, b = args
    if a.magnitude * b.magnitude > to.word.hi:
        a.tighten(how), b.tighten(how)
    corners = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
    return _binary(np.multiply, a, b, min(corners), max(corners), to, how)


def _max(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    a, b = args
    return _binary(np.maximum, a, b, max(a.lo, b.lo), max(a.hi, b.hi), to, how)


def _clamp(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    x, lo, hi = args
    if not (lo.hi <= x.lo and x.hi <= hi.lo):
        x.tighten(how)
    if lo.hi <= x.lo and x.hi <= hi.lo and lo.data.ndim == hi.data.ndim == 0:
        # Nothing to clamp, by exact bounds. Measured on MNIST's 78,400 weights: looking costs what clamping does,
        # but leaves the true extremes, which the next forward pass needs for its certificate.
        return narrowed(x.data, x.lo, x.hi, to, how, x.tight)
    low = min(max(x.lo, lo.lo), hi.lo)
    high = min(max(x.hi, lo.hi), hi.hi)
    return narrowed(np.minimum(np.maximum(x.data, lo.data), hi.data), low, high, to, how)


def _div(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    """Truncating division in floating point. Exact: an inexact quotient is at least 1/|b| away from the next
    integer and rounding moves it by less, while |a| < 2^24 in float32 and < 2^53 in float64."""
    a, b = args
    if b.lo <= 0 <= b.hi:
        b.tighten(how)
    if b.lo <= 0 <= b.hi:
        return _div_by_zeros(a, b, to, how)
    bound = a.magnitude // (b.lo if b.lo > 0 else -b.hi)
    dtype = np.float32 if bound < EXACT32 else np.float64  # small again after a wide sum: all after it is faster
    vanished = 0
    if how.compiled is not None and b.lo == b.hi and b.data.ndim == 0 and a.data.flags.c_contiguous:
        exact, vanished = how.compiled.divide(a.data, b.lo, dtype)
    else:
        exact = _quotients(a.data, b.data).astype(dtype, copy=False)
        if to.role is _UPDATE:
            vanished = _vanished(a.data != 0, exact)
    outcome = narrowed(exact, -bound if a.lo < 0 or b.lo < 0 else 0, bound, to, how)
    if not vanished or to.role is not _UPDATE:
        return outcome
    value, flags, span = outcome
    return Outcome(value, Flags(*flags[:4], vanished, 0, flags.first), span)


def _div_by_zeros(a: Carrier, b: Carrier, to: Register, how: How) -> Outcome:
    """`_div` where there are divisors that are zero, or there is none at all."""
    zeros = np.broadcast_to(b.data == 0, np.broadcast_shapes(a.shape, b.shape))
    exact = _quotients(a.data, np.where(b.data == 0, b.data.dtype.type(1), b.data))
    # the quotients may be float32, which cannot hold every word's MAX
    exact = np.where(zeros, float(to.word.hi), exact.astype(np.float64))
    bound = max(a.magnitude, to.word.hi)
    value, flags, span = narrowed(exact, -bound, bound, to, how)
    # the quotient there is the word's MAX, so a dividend of zero must not be subtracted
    vanished = _vanished((a.data != 0) | zeros, exact) if to.role is _UPDATE else 0
    return Outcome(value, flags._replace(vanished=vanished, zero_divisions=int(np.count_nonzero(zeros))), span)


def _quotients(dividends: Array, divisors: Array) -> Array:
    exact = np.asarray(np.divide(dividends, divisors))
    return np.asarray(np.trunc(exact, out=exact))


def _vanished(nonzero: Array, quotients: Array) -> int:
    """How many quotients are zero where `nonzero` is true."""
    if nonzero.shape != quotients.shape:
        nonzero = np.broadcast_to(nonzero, quotients.shape)
    return int(np.count_nonzero(nonzero)) - int(np.count_nonzero(quotients != 0))


def _isqrt(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    """Floor of the square root. Exact: for n < 2^52 the root of n^2 - 1 is further below n than float64 rounds."""
    (x,) = args
    exact = np.floor(np.sqrt(np.maximum(x.data, 0).astype(np.float64)))
    return narrowed(exact, 0, max(x.hi, 0), to, how)


def _select(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    x, below, choices = args
    if choices.shape != (below.size + 1,):
        raise ValueError("select")
    if x.place is None or x.place[0] is not below:
        x.place = (below, _ladder(x, below, how))
    return narrowed(choices.data[x.place[1]], choices.lo, choices.hi, to, how)


def _ladder(x: Carrier, below: Carrier, how: How) -> Array:
    """Position of the first bound above each element; the number of bounds where there is none."""
    bounds = below.data
    if bounds.ndim != 1:
        raise ValueError("select")
    if how.compiled is not None and bounds.size <= _FEW_BOUNDS and x.data.flags.c_contiguous:
        places: Array = how.compiled.ladder(x.data, bounds)
        return places
    if below.table is None:
        below.table = _place_table(bounds)
    lowest, table = below.table
    if table is not None:
        return np.asarray(table.take((x.data - lowest).astype(np.intp), mode="clip"))
    place = np.full(x.shape, bounds.size, np.intp)
    for i in range(bounds.size - 1, -1, -1):
        place[x.data < bounds[i]] = i
    return place


def _place_table(bounds: Array) -> tuple[int, Array | None]:
    """For ascending bounds close together: the place of every integer from just below the first to the last.

    Looking up takes half as long as comparing with each of six bounds; np.searchsorted takes longer than either.
    """
    if bounds.size == 0 or np.any(bounds[1:] < bounds[:-1]):
        return 0, None  # bounds that overflowed on load can be out of order
    lowest, highest = int(bounds[0]) - 1, int(bounds[-1])
    if highest - lowest > _LARGEST_TABLE or max(-lowest, highest) >= EXACT32:  # float32 operands must hold both
        return 0, None
    return lowest, np.searchsorted(bounds, np.arange(lowest, highest + 1), side="right")


@lru_cache(maxsize=64)
def _table(indices: Tensor) -> Array:
    """A static index table as an array; kept, because a network uses the same few all the time."""
    return np.array(indices.items, np.intp).reshape(indices.shape)


def _gather(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    x, indices = args
    OPS["gather"].shape((x.shape,), (indices,))  # NumPy would take negative indices
    padded = np.concatenate([x.data, np.zeros((*x.shape[:-1], 1), x.data.dtype)], axis=-1)  # index -1 is the zero
    return narrowed(padded.take(_table(indices), axis=-1), min(x.lo, 0), max(x.hi, 0), to, how)


def _transpose(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    x, axes = args
    if min(axes, default=0) < 0:
        raise ValueError("transpose")
    return narrowed(x.data.transpose(axes), x.lo, x.hi, to, how, x.tight)


def _reshape(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    x, shape = args
    if min(shape, default=0) < 0:
        raise ValueError("reshape")
    return narrowed(x.data.reshape(shape), x.lo, x.hi, to, how, x.tight)


def _argmax(args: tuple[Any, ...], to: Register, how: How) -> Outcome:
    (x,) = args
    return narrowed(np.asarray(x.data.argmax(-1)).astype(np.float64), 0, x.shape[-1], to, how)


_KERNELS: dict[str, Kernel] = {
    "load": _load,
    "add": _add,
    "sub": _sub,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "mac": folds.mac,
    "sum": folds.total,
    "clamp": _clamp,
    "select": _select,
    "max": _max,
    "isqrt": _isqrt,
    "gather": _gather,
    "transpose": _transpose,
    "reshape": _reshape,
    "argmax": _argmax,
}
