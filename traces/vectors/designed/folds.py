"""Operands for `mac` and `sum`: where products overflow, where sums do, and what comes back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from designed.drafts import I2, I3, I8, I16, I32, I48, MIXED, WORDS, Draft, Sections, both, column, empty, tensor
from pocketnn.arith import Tensor
from pocketnn.init import Rand


def mac() -> Sections:
    """Dot products at the edges of every word, matrices in mixed words, long ones, empty ones."""
    for w in WORDS:
        lo, hi = w.lo, w.hi
        dots = (
            ([hi, 1, -1], [1, 1, 1]),  # over the top and back: transient, or stuck at the bound and then one below
            ([lo, -1, 1], [1, 1, 1]),
            ([1, hi, -1, -1], [1, 1, 1, 1]),
            ([hi, hi, lo, lo], [1, 1, 1, 1]),
            ([lo], [lo]),  # the product alone
            ([lo, 1], [-1, -1]),  # product overflow, then a sum
            ([1, lo], [-1, -1]),  # the same sum in the other order
            ([lo, lo], [lo, lo]),
            ([hi, lo, 1], [hi, hi, hi]),
            ([hi, hi], [-1, 1]),
            ([0, 0, hi, 0, 1], [hi, lo, 1, 0, 1]),
            ([hi], [1]),
        )
        drafts = [both((w, w), w, [a], column(b)) for a, b in dots]
        yield f"i{w.bits}: products that overflow, sums that overflow, and back", itertools.chain(*drafts)
    mixed = [
        both((a, b), to, [[a.lo, a.hi, -1], [a.hi, 1, a.lo]], [[b.hi, b.lo], [b.hi, 1], [-1, b.lo]])
        for (a, b), to in (*MIXED, ((I8, I8), I16), ((I16, I16), I32), ((I16, I8), I8), ((I32, I32), I32))
    ]
    yield "matrices; operands and accumulator in different words", itertools.chain(*mixed)
    yield "many terms", itertools.chain(*_long_products())
    shapes = (
        (empty(0, 3), tensor([[1, 2], [3, 4], [5, 6]])),
        (empty(2, 0), empty(0, 3)),
        (tensor([[1, 2, 3], [4, 5, 6]]), empty(3, 0)),
        (empty(0, 0), empty(0, 0)),
        (tensor([[-128]]), tensor([[-128]])),
        (tensor([[127], [-128]]), tensor([[127, -128, 1]])),
    )
    yield "empty arrays (no term gives 0); single elements", itertools.chain(*(both((I8, I8), I8, *x) for x in shapes))


def _long_products() -> Iterator[Iterator[Draft]]:
    """Sums with many wraparounds; then arrays of which only one element overflows."""
    rand = Rand(1)
    for word, to in ((I8, I8), (I8, I16), (I16, I16), (I16, I32), (I32, I32), (I32, I48)):
        items = tuple(rand.draw() % (1 << word.bits) + word.lo for _ in range(54))
        yield both((word, word), to, Tensor((3, 9), items[:27]), Tensor((9, 3), items[27:]))
    small = [[1, 0, -1, 2]] * 11
    for word in (I8, I16, I32):
        yield both((word, word), word, [*small, [word.hi, 0, 1, -1]], column([1, 1, 1, 1]))


def total() -> Sections:
    """Sums over the bounds and back, along every axis, of wider terms, of none."""
    for w in WORDS:
        rows = [
            [w.hi, 1, -1],
            [w.lo, -1, 1],
            [1, w.hi, -1],
            [w.hi, -1, 1],
            [w.hi, w.hi, w.hi],
            [w.lo, w.lo, w.lo],
            [w.hi, w.lo, 0],
            [0, 0, w.lo],
            [w.hi, 0, 1],
        ]
        single = [draft for row in rows for draft in both((w,), w, row, params=(0,))]
        yield f"i{w.bits}: over the bounds and back, in order", [*single, *both((w,), w, rows, params=(1,))]
    wide = [
        both((a,), to, [[a.hi, a.lo, 1], [a.lo, a.lo, a.hi]], params=(axis,))
        for a, to in ((I16, I8), (I32, I8), (I32, I16), (I48, I32), (I48, I3), (I8, I16), (I2, I48))
        for axis in (0, 1)
    ]
    yield "terms wider or narrower than the sum: terms are not narrowed first", itertools.chain(*wide)
    cube = [[[100, 100], [-128, 27]], [[100, -100], [-1, 127]], [[-73, 1], [1, -28]]]
    shaped = [both((I8,), I8, cube, params=(axis,)) for axis in range(3)]
    for x, axis in (
        (empty(0), 0), (empty(0, 3), 0), (empty(0, 3), 1), (empty(2, 0), 1), (empty(2, 0, 2), 2), (tensor([-128]), 0),
        (tensor([[127]]), 1), (tensor([[5], [-128]]), 1), (tensor([[1, 2]] * 11 + [[127, 1]]), 1),
        (tensor([100] * 20 + [-100] * 20), 0), (tensor([100, -100] * 20), 0),
    ):  # fmt: skip
        shaped.append(both((I8,), I8, x, params=(axis,)))
    yield "axes; no term gives 0; one term; many", itertools.chain(*shaped)
