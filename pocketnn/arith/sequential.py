"""The exact sequential fold: every product and partial sum through the register, in the stated order.

Vectorised over the result's elements, one step of the fold at a time. Only results whose certificate fails come
here. The compiled kernel (`compiled.py`, the optional extra `fast`) does the same thing element by element.
"""

from __future__ import annotations

import numpy as np

from pocketnn.arith.carrier import Array, fit_array, recast
from pocketnn.arith.word import Register

__all__ = ["fold", "lane_dtype"]

# Elements of products narrowed in one go; takes half the time of one k at a time for a 20 x 100 result.
_BLOCK = 1 << 15


def lane_dtype(largest: int, to: Register) -> type:
    """The narrowest dtype for a fold whose terms' magnitude is at most `largest`: int32, int64 or object.

    A lane must hold an unnarrowed term (`largest`) and the sum of an accumulator and a term: for `mac` both are
    register values (at most 2^bits together), for `sum` the term is not narrowed first.
    """
    room = largest + (1 << to.word.bits)
    if room < 1 << 31:
        return np.int32
    return np.int64 if room < 1 << 63 else object


def fold(left: Array, right: Array | None, largest: int, to: Register) -> tuple[Array, Array, int]:
    """Fold along axis 0; returns the stored values, which elements had an event, and the number of events.

    left, right: whole numbers, first axis k, the others broadcast to the result's shape. With `right`, each product is
    narrowed and then each sum (`mac`); without, the terms are added (`sum`). largest: a bound on the terms' magnitude.
    """
    dtype = lane_dtype(largest, to)
    # A zero term fits and changes no accumulator, so steps that are zero everywhere (a fifth of MNIST's) are left out.
    busy = left.any(axis=tuple(range(1, left.ndim)))
    left = recast(left[busy], dtype)
    right = None if right is None else recast(right[busy], dtype)
    shape = left.shape[1:] if right is None else np.broadcast_shapes(left.shape[1:], right.shape[1:])
    accumulator, total, changed, touched = (np.zeros(shape, kind) for kind in (dtype, dtype, bool, bool))
    block = max(1, _BLOCK // max(1, accumulator.size))
    events = 0
    for start in range(0, left.shape[0], block):
        terms = left[start : start + block]
        if right is not None:
            terms = terms * right[start : start + block]
            if largest > to.word.hi:
                exact, terms = terms, fit_array(terms, to.word, to.overflow)
                differing = exact != terms
                events += int(np.count_nonzero(differing))
                touched |= differing.any(axis=0)
        for term in terms:
            np.add(accumulator, term, out=total)
            accumulator = fit_array(total, to.word, to.overflow, out=accumulator)
            np.not_equal(total, accumulator, out=changed)
            count = np.count_nonzero(changed)
            if count:
                events += int(count)
                touched |= changed
    return accumulator, touched, events
