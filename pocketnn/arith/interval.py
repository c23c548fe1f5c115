"""Interval backend: the same network on ranges instead of numbers, so that one pass speaks for all inputs at once.

Every value it hands out is a `Ranges`. What it claims is sound: whatever numbers within the operands' ranges an op is
given, its result lies within the range claimed, overflow or not. Where nothing overflows, the range of a single op is
exact if its operands' elements are independent of each other. A chain of ops into which the same value comes twice
gets an upper bound; what a `select` chose by that value, squares and remainders (`relations`) are taken together.

On overflow: a range that does not fit its register becomes, when saturating, the range of what its values saturate
to; when wrapping, its image if all of it wraps by the same multiple of 2^bits, else the whole word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pocketnn.arith import range_folds
from pocketnn.arith.backend import Backend, Integers, Outcome, as_integers
from pocketnn.arith.bounds import Bounds
from pocketnn.arith.flags import CLEAN, Flags, Span
from pocketnn.arith.ops import Op
from pocketnn.arith.ranges import IMPOSSIBLE, MOST_CASES, Partition, Ranges, aligned, terms_of
from pocketnn.arith.relations import origin, relation
from pocketnn.arith.shapes import Shape, Tensor
from pocketnn.arith.word import Overflow, Register, fit
from pocketnn.errors import UsageError

__all__ = ["Interval", "fit_range"]


def fit_range(lo: int, hi: int, to: Register) -> Bounds:
    """The smallest range that holds `fit(x)` for every x of lo..hi; saturation clips, wraparound may fill the word."""
    low, high = fit(lo, to.word, to.overflow), fit(hi, to.word, to.overflow)
    same_wrap = high - low == hi - lo
    return (low, high) if same_wrap or to.overflow is Overflow.SATURATE else (to.word.lo, to.word.hi)


class Interval(Backend):
    """Ranges by the interval rule in each row of the op table.

    `load` takes, besides integers, a `Ranges`: what is known of a value from outside. Always measures spans. The flags
    tell what *can* happen: `events`, `elements` and `corrupted` count the ranges of which some value can overflow,
    `zero_divisions` those with a divisor that can be 0; `first` is -1, for no value is at hand that could be shown.
    """

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Bounds of `op` over all values of its operands, narrowed; see Backend.apply."""
        if op.name == "load":
            x = args[0] if isinstance(args[0], Ranges) else as_integers(args[0])
            return _load(x, to)
        operands, params = args[: op.arity], args[op.arity :]
        shape = op.shape(tuple(x.shape for x in operands), params)
        if op.name == "mac":
            return _folded(shape, *range_folds.mac(operands[0], operands[1], to), to)
        if op.name == "sum":
            return _folded(shape, *range_folds.total(operands[0], params[0], to), to)
        if op.name in _MOVES:
            return _moved(_MOVES[op.name](*args), to)
        if op.name == "select" and _splits(*operands):
            return _moved(_by_piece(*operands), to)
        return _by_rule(op, operands, shape, to)

    def takes(self, value: object) -> bool:
        """Values of this backend."""
        return isinstance(value, Ranges)


def _load(x: Ranges | Integers, to: Register) -> Outcome:
    """Ranges or integers of any size from outside."""
    if isinstance(x, Ranges):
        if np.any(x.lo > x.hi):
            raise UsageError(f"{x!r} has an empty range; its lower bounds must not exceed the upper ones")
        return _moved(Ranges(x.shape, x.lo, x.hi, x.keys), to)  # a value of its own: loaded twice, it is two
    if x.dtype == object or x.dtype == np.uint64:  # beyond int64, perhaps
        return _narrowed(x.shape, (), x.shape, [(int(item), int(item)) for item in x.flat], to)
    return _moved(Ranges(x.shape, x, x), to)


def _moved(x: Ranges, to: Register) -> Outcome:
    """Values as they are, into another register."""
    lo, hi = x.ends()
    if x.size == 0 or (to.word.lo <= lo and hi <= to.word.hi):
        return Outcome(x, CLEAN, Span(lo, hi, lo, hi) if x.size else None)
    pairs = list(zip(x.lo.ravel().tolist(), np.broadcast_to(x.hi, x.lo.shape).ravel().tolist(), strict=True))
    return _narrowed(x.shape, x.keys, x.lo.shape, pairs, to)


def _narrowed(
    shape: Shape, keys: tuple[Partition, ...], axes: Shape, exact: list[Bounds], to: Register, zeros: int = 0
) -> Outcome:
    """Narrow one exact range per element into `to`. axes: how `exact` is laid out, as in `Ranges`."""
    possible = [pair for pair in exact if pair[0] <= pair[1]]
    if not possible:
        return Outcome(Ranges(shape, np.zeros(axes, np.int64), np.zeros(axes, np.int64), keys), CLEAN, None)
    lowest, highest = min(lo for lo, _ in possible), max(hi for _, hi in possible)
    missing = 0
    if lowest < to.word.lo or highest > to.word.hi:
        missing = sum(lo < to.word.lo or hi > to.word.hi for lo, hi in possible)
        exact = [fit_range(lo, hi, to) if lo <= hi else IMPOSSIBLE for lo, hi in exact]
    bounds = np.array(exact, np.int64).reshape(*axes, 2)
    value = Ranges(shape, bounds[..., 0], bounds[..., 1], keys)
    flags = Flags(missing, missing, 0, missing, 0, zeros) if missing or zeros else CLEAN
    return Outcome(value, flags, Span(lowest, highest, lowest, highest))


def _folded(shape: Shape, keys: tuple[Partition, ...], reach: range_folds.Reach, to: Register) -> Outcome:
    """Narrow what a fold came to."""
    if reach.lo.size == 0:
        return Outcome(Ranges(shape, reach.lo, reach.hi, keys), CLEAN, None)
    span = Span(int(reach.lo.min()), int(reach.hi.max()), int(reach.least.min()), int(reach.most.max()))
    missing = int(np.count_nonzero(reach.outside))
    if not missing:
        return Outcome(Ranges(shape, reach.lo, reach.hi, keys), CLEAN, span)
    pairs = zip(reach.low.ravel().tolist(), reach.high.ravel().tolist(), strict=True)
    bounds = np.array([fit_range(lo, hi, to) for lo, hi in pairs], np.int64).reshape(*reach.lo.shape, 2)
    value = Ranges(shape, bounds[..., 0], bounds[..., 1], keys)
    return Outcome(value, Flags(missing, missing, 0, missing), span)


# --- ops without a fold --------------------------------------------------------------------------------------


def _by_rule(op: Op, operands: tuple[Ranges, ...], shape: Shape, to: Register) -> Outcome:
    """Element by element, case by case, by the rule in the op's row."""
    related = relation(op.name, operands)
    if op.name == "argmax":
        keys, axes, terms = _rows(operands[0])
    elif op.name == "select":
        keys, axes, terms = _ladders(*operands)
    else:
        keys, bounds = aligned(operands + (related.others if related else ()))
        axes, terms = terms_of(bounds)
    exact, zeros = [], 0
    for term in terms:
        if any(lo > hi for lo, hi in term):
            exact.append(IMPOSSIBLE)
            continue
        if op.name == "div" and term[1][0] <= 0 <= term[1][1]:
            zeros += 1
            exact.append(_with_zero(op, term, to))
            continue
        lo, hi = op.interval(*(term[: op.arity] if related else term))
        if related:
            least, most = related.bounds(*term)
            lo, hi = max(lo, least), min(hi, most)
        exact.append((lo, hi))
    outcome = _narrowed(shape, keys, axes, exact, to, zeros)
    if outcome.flags is CLEAN:
        outcome.value.origin = origin(op.name, operands)
    return outcome


def _with_zero(op: Op, term: tuple[Bounds, ...], to: Register) -> Bounds:
    """A division whose divisor can be 0, which gives the word's MAX."""
    try:
        lo, hi = op.interval(*term)
    except ZeroDivisionError:
        return to.word.hi, to.word.hi
    return min(lo, to.word.hi), max(hi, to.word.hi)


def _rows(x: Ranges) -> tuple[tuple[Partition, ...], Shape, Iterator[tuple[Bounds, ...]]]:
    """Terms of `argmax`: each a whole row."""
    x = x.hull()
    lo, hi = (np.broadcast_to(bound, (*bound.shape[:-1], x.shape[-1])) for bound in (x.lo, x.hi))
    axes, terms = terms_of([(lo[..., k], hi[..., k]) for k in range(x.shape[-1])])
    return (), axes, terms


def _ladders(x: Ranges, below: Ranges, choices: Ranges) -> tuple[tuple[()], Shape, Iterator[tuple[Bounds, ...]]]:
    """Terms of `select`: each one element with the whole ladder."""
    axes, terms = terms_of([(x.hull().lo, x.hull().hi)])
    ladder: tuple[Bounds, ...] = ()
    for part in (below.hull(), choices.hull()):
        los, his = (np.broadcast_to(bound, part.shape).tolist() for bound in (part.lo, part.hi))
        ladder += tuple(zip(los, his, strict=True))
    return (), axes, ((*term, *ladder) for term in terms)


def _splits(x: Ranges, below: Ranges, choices: Ranges) -> bool:
    """Whether a `select` can be taken piece by piece: the ladder is known, and the cases are not too many."""
    cases = (below.size + 1) * np.prod([key.count for key in x.keys], dtype=int)
    return below.is_point and not choices.keys and x.size > 0 and cases <= MOST_CASES


def _by_piece(x: Ranges, below: Ranges, choices: Ranges) -> Ranges:
    """The choice for each piece, kept apart so that later ops with `x`, or what else it selects, fit to it."""
    key = x.pieces(below)
    cut = x.split[key.serial]
    shape = (*(1 for _ in x.keys), key.count, *(1 for _ in x.shape))
    lo, hi = (np.broadcast_to(bound, choices.shape).reshape(shape) for bound in (choices.lo, choices.hi))
    possible = cut.lo <= cut.hi
    lo, hi = np.where(possible, lo, IMPOSSIBLE[0]), np.where(possible, hi, IMPOSSIBLE[1])
    return Ranges(x.shape, lo, hi, cut.keys)


# --- ops that only move ----------------------------------------------------------------------------------------


def _gathered(x: Ranges, indices: Tensor) -> Ranges:
    x = x.hull()
    table = np.array(indices.items, np.intp).reshape(indices.shape)

    def taken(bound: Integers) -> Integers:
        row = np.broadcast_to(bound, (*bound.shape[:-1], x.shape[-1]))
        padded = np.concatenate([row, np.zeros((*row.shape[:-1], 1), np.int64)], axis=-1)  # index -1 is the zero
        return np.asarray(padded.take(table, axis=-1))

    return Ranges(x.shape[:-1] + indices.shape, taken(x.lo), taken(x.hi))


def _transposed(x: Ranges, axes: tuple[int, ...]) -> Ranges:
    x = x.hull()
    return Ranges(tuple(x.shape[axis] for axis in axes), x.lo.transpose(axes), x.hi.transpose(axes))


def _reshaped(x: Ranges, shape: Shape) -> Ranges:
    if shape == x.shape:
        return x
    x = x.hull()
    if x.lo.size == x.hi.size == 1:
        return Ranges(shape, x.lo.item(), x.hi.item())
    return Ranges(shape, np.broadcast_to(x.lo, x.shape).reshape(shape), np.broadcast_to(x.hi, x.shape).reshape(shape))


_MOVES: dict[str, Callable[..., Ranges]] = {"gather": _gathered, "transpose": _transposed, "reshape": _reshaped}
