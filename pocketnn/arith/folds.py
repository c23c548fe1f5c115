"""`mac` and `sum` on carriers: a certificate that nothing overflowed, or the sequential fold.

Certificate: with D the sum and L the sum of absolute values of an element's terms, every term and every partial sum,
in any order, lies in [(D-L)/2, (D+L)/2]. If the accumulator's word holds that interval, neither wraparound nor
saturation can have happened and D is the result. Cheaper sufficient bounds come first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pocketnn.arith import native, sequential
from pocketnn.arith.backend import Outcome
from pocketnn.arith.carrier import EXACT32, Array, Carrier, exact_dtype, recast
from pocketnn.arith.flags import CLEAN, Flags, Span, Terms
from pocketnn.arith.how import How
from pocketnn.arith.product import product, summed
from pocketnn.arith.word import Register

__all__ = ["mac", "total"]

# Above this share of failing elements the whole tile is folded: gathering operands costs more than it saves.
_TILE = 0.1


def mac(args: tuple[Carrier, Carrier], to: Register, how: How) -> Outcome:
    """Matrix product (N, K) by (K, M), folded in stated order; overflow as `to` says, counted per element."""
    a, b = args
    (_, depth), (_, _) = a.data.shape, b.data.shape
    largest = a.magnitude * b.magnitude
    if depth * largest >= EXACT32 or depth * largest > to.word.hi:
        largest = a.tighten(how).magnitude * b.tighten(how).magnitude
    bound = depth * largest
    if bound > to.word.hi:
        bound = min(bound, _largest_row(a) * b.magnitude)
    dtype = exact_dtype(2 * bound)
    sparse = None  # exact under these two bounds: two products in float32, all sums in int32
    if how.compiled is not None and bound < 1 << 31 and largest <= 1 << 23:
        sparse = how.compiled.sparse_product
    exact = product(a.data, b.data, dtype, sparse)
    if bound <= to.word.hi:
        span = Terms(a.data, b.data, 0, dtype) if how.measure and exact.size else None
        return Outcome(Carrier(exact, -bound, bound), CLEAN, span)
    absolute = product(a.data if a.lo >= 0 else np.abs(a.data), np.abs(b.data), dtype, sparse)

    def fold(where: Array | None) -> tuple[Array, Array, int]:
        lane = sequential.lane_dtype(largest, to)
        kernel = _kernel(how) if lane is not object else None
        if kernel is not None:
            stored, touched, events = kernel(a.data, b.data, lane, to)
            return (stored, touched, events) if where is None else (stored[where], touched[where], events)
        if where is None:
            return sequential.fold(a.data.T[:, :, None], b.data[:, None, :], largest, to)
        rows, columns = np.nonzero(where)
        return sequential.fold(a.data[rows].T, b.data[:, columns], largest, to)

    return _certified(exact, absolute, fold, to, how)


def _kernel(how: How) -> Any:
    """The compiled fold: numba's, else the C compiler's, which takes one to two times as long and an
    eighth of NumPy's time; None if there is neither."""
    if how.compiled is not None:
        return how.compiled.mac_fold
    return native.sequence() if how.kernels else None


def total(args: tuple[Carrier, int], to: Register, how: How) -> Outcome:
    """Sum along `axis`, kept with length 1, narrowed after each addition; overflow as `to` says."""
    x, axis = args
    if axis < 0:
        raise ValueError("sum")
    bound = x.shape[axis] * x.magnitude
    if bound > to.word.hi:
        bound = x.shape[axis] * x.tighten(how).magnitude
    dtype = exact_dtype(2 * bound)
    data = recast(x.data, dtype)
    exact = summed(data, axis)
    if bound <= to.word.hi:
        span = Terms(data, None, axis, dtype) if how.measure and exact.size else None
        return Outcome(Carrier(exact, -bound, bound), CLEAN, span)
    absolute = summed(np.abs(data), axis)

    def fold(where: Array | None) -> tuple[Array, Array, int]:
        terms = np.moveaxis(x.data, axis, 0)[:, None]
        stored, touched, events = sequential.fold(terms, None, x.magnitude, to)
        stored, touched = np.moveaxis(stored, 0, axis), np.moveaxis(touched, 0, axis)
        return (stored, touched, events) if where is None else (stored[where], touched[where], events)

    return _certified(exact, absolute, fold, to, how)


def _largest_row(a: Carrier) -> int:
    """The largest sum of absolute values along a row, in a dtype in which it is exact."""
    data = recast(a.data, exact_dtype(a.shape[1] * a.magnitude))
    rows = summed(data if a.lo >= 0 else np.abs(data), 1)
    return int(rows.max()) if rows.size else 0


def _certified(exact: Array, absolute: Array, fold: Any, to: Register, how: How) -> Outcome:
    """Check the certificate per element and fold those that fail; `exact` is D, `absolute` is L.

    There is at least one element: what is empty has the bound 0, and never comes here.
    """
    word = to.word
    least = exact - absolute  # twice the bounds: halving waits until they are Python ints
    most = np.add(exact, absolute, out=absolute)
    lowest = int(np.minimum.reduce(least, axis=None)) // 2
    highest = int(np.maximum.reduce(most, axis=None)) // 2
    span = Span(*how.extremes(exact), lowest, highest) if how.measure else None
    if word.lo <= lowest and highest <= word.hi:
        lo, hi = (span.lo, span.hi) if span else (lowest, highest)
        data = exact if exact.dtype.kind == "f" else exact.astype(np.float64)
        return Outcome(Carrier(data, lo, hi, tight=span is not None), CLEAN, span)
    failing = (least < 2 * word.lo) | (most > 2 * word.hi)
    where = failing if np.count_nonzero(failing) <= _TILE * failing.size else None
    stored, touched, events = fold(where)
    if where is not None:
        stored, touched = _spread(exact, where, stored), _spread(np.zeros(exact.shape, bool), where, touched)
    flags = CLEAN
    if events:
        count = int(np.count_nonzero(touched))
        corrupted = int(np.count_nonzero(stored != exact))
        flags = Flags(events, count, count - corrupted, corrupted, first=int(touched.argmax()))
    return Outcome(Carrier(stored.astype(np.float64), word.lo, word.hi), flags, span)


def _spread(background: Array, where: Array, values: Array) -> Array:
    """`background` with `values` put where `where` is true."""
    result = background.copy()
    result[where] = values
    return result
