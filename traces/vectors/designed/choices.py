"""Operands for the ops that choose elements or move them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from designed.drafts import I2, I3, I8, I16, I32, I48, WORDS, Sections, both, edges, empty, tensor


def clamp() -> Sections:
    """On the bounds and beyond them, with bounds in and out of order."""
    for w in WORDS:
        x = edges(w)
        singles = [
            both((w,) * 3, w, *operands)
            for operands in ((w.hi, -1, 1), (w.lo, -1, 1), (0, -1, 1), (-1, -1, 1), (1, -1, 1), (0, w.lo, w.hi))
        ]
        bounds = [(w.lo, w.hi), (-1, 1), (w.lo + 1, w.hi - 1), (0, 0), (1, -1), (w.hi, w.lo)]
        arrays = [both((w,) * 3, w, x, lo, hi) for lo, hi in bounds]
        yield (
            f"i{w.bits}: on the bounds and beyond; a low bound above the high one gives way",
            itertools.chain(*singles, *arrays),
        )
    mixed = [
        both(words, to, edges(words[0]), words[1].lo + 1, words[2].hi - 1)
        for words, to in (((I32, I16, I16), I16), ((I32, I32, I16), I8), ((I8, I16, I48), I3), ((I48, I48, I48), I32))
    ]
    mixed += [both((w,) * 3, to, [0, w.hi, 1, w.lo], -1, w.hi) for w, to in zip(WORDS[1:], WORDS, strict=False)]
    yield "mixed words", itertools.chain(*mixed)
    rows = [[100, -100, 27], [-128, 127, 0]]
    shaped: tuple[tuple[object, object, object], ...] = (
        (rows, [-27, -1, 1], 99),
        (rows, [[-1], [0]], [100, 1, 50]),
        (5, rows, 7),
        (empty(0), 1, 2),
        (empty(0, 3), 1, [1, 2, 3]),
    )
    yield "broadcasting; empty arrays", itertools.chain(*(both((I8,) * 3, I8, *operands) for operands in shaped))


def select() -> Sections:
    """Ladders of none to six bounds, in and out of order, with choices that fit or do not."""
    for w in WORDS:
        x = edges(w)
        ladders: tuple[tuple[object, list[int]], ...] = (
            (empty(0), [w.hi]),
            ([0], [w.lo, w.hi]),
            ([w.lo], [1, 0]),
            ([w.hi], [-1, 0]),
            ([-1, 0, 1], [w.lo, -1, 0, w.hi]),
            ([0, 0, 1], [1, w.lo, 0, w.hi]),  # the first of equal bounds
            ([1, -1, 0], [1, w.lo, 0, w.hi]),  # bounds out of order, as overflow can leave them
        )
        drafts = [both((w,) * 3, w, x, below, choices) for below, choices in ladders]
        singles = [both((w,) * 3, w, x, [0], [w.lo, w.hi]) for x in (-1, 0, 1, w.lo, w.hi)]
        yield f"i{w.bits}: x on each bound and beside it", itertools.chain(*singles, *drafts)
    mixed = [
        both(words, to, edges(words[0]), [-1, words[1].hi], [words[2].lo, 1, words[2].hi])
        for words, to in (((I32, I8, I8), I8), ((I8, I32, I16), I8), ((I16, I2, I48), I32), ((I48, I48, I3), I2))
    ]
    mixed += [both((w,) * 3, to, [-1, 0, 1], [0, 1], [0, w.lo, w.hi]) for w, to in zip(WORDS[1:], WORDS, strict=False)]
    yield "mixed words; a choice can overflow", itertools.chain(*mixed)
    piece = [-127, -74, -31, 32, 75, 128]
    near = [b + step for b in piece for step in (-1, 0, 1)]
    wide = [both((I16,) * 3, to, near, piece, [127, 8, 2, 1, 2, 8, 127]) for to in (I8, I3)]
    yield "the pieces of pocket_tanh and their inverse slopes", itertools.chain(*wide)
    shapes = ([[-1, 0], [1, 2]], [[5]], empty(0), empty(2, 0))
    yield "shapes", itertools.chain(*(both((I8,) * 3, I8, x, [0, 2], [1, 2, 3]) for x in shapes))


def _moves(moves: Iterable[tuple[object, Any]], param: Any) -> Sections:
    """Moves of elements by various parameters, then a 2x3 by `param` from every word into every word, which narrows."""
    yield "shapes", itertools.chain(*(both((I8,), I8, x, params=(p,)) for x, p in moves))
    drafts = [
        both((a,), to, [[0, a.lo, 1], [-1, a.lo + 1, a.hi]], params=(param,))
        for a, to in itertools.product(WORDS, WORDS)
    ]
    yield "every word into every word", itertools.chain(*drafts)


def gather() -> Sections:
    """Index tables of every shape, with zero padding."""
    row, rows = [10, -20, 30, -128], [[1, 2, 3], [-4, -5, -6]]
    return _moves(
        (
            (row, tensor([3, 2, 1, 0])), (row, tensor([-1, 0, -1])), (row, tensor([[0, 1], [1, 2]])),
            (row, tensor([2, 2, 2])), (row, tensor(1)), (row, tensor(-1)), (row, empty(0)), (row, empty(2, 0)),
            (rows, tensor([2, -1])), (rows, tensor([[[0]], [[-1]]])), ([rows, rows[::-1]], tensor([1, 0])),
            (empty(0), tensor([-1, -1])), (empty(0, 2), tensor([1, -1])), (empty(2, 0), tensor([-1])),
            ([5], tensor([0])),
        ),
        tensor([2, -1, 0]),
    )  # fmt: skip


def transpose() -> Sections:
    """Every order of up to three axes."""
    cube = [[[1, 2, 3], [4, 5, 6]], [[-1, -2, -3], [-4, -5, -6]]]
    return _moves(
        (
            (7, ()), ([1, -128], (0,)), ([[1, 2, 3], [4, 5, 6]], (1, 0)), ([[1, 2, 3], [4, 5, 6]], (0, 1)),
            *((cube, axes) for axes in itertools.permutations(range(3))), ([[1, 2]], (1, 0)), (empty(0, 3), (1, 0)),
            (empty(2, 0, 1), (2, 0, 1)), ([[127]], (1, 0)),
        ),
        (1, 0),
    )  # fmt: skip


def reshape() -> Sections:
    """To and from every number of axes."""
    rows = [[1, 2, 3], [-4, -5, -6]]
    return _moves(
        (
            (7, ()), (7, (1,)), (7, (1, 1, 1)), ([[7]], ()), ([-128], (1, 1)), (rows, (6,)), (rows, (3, 2)),
            (rows, (1, 6, 1)), (rows, (2, 3)), ([1, 2, 3, 4, 5, 6, 7, 8], (2, 2, 2)), (empty(0), (0, 3)),
            (empty(0, 3), (3, 0)), (empty(2, 0), (0,)), (empty(0), (0,)),
        ),
        (3, 2),
    )  # fmt: skip


def argmax() -> Sections:
    """Ties, and indices that the destination cannot hold."""
    for w in WORDS:
        rows = (
            [w.lo, w.lo + 1, w.hi], [w.hi, w.hi, w.lo], [w.lo, w.hi, w.hi], [0, 0, 0], [w.lo, w.lo, w.lo], [-1, 0, 1],
            [w.hi - 1, w.hi, w.hi - 1],
        )  # fmt: skip
        singles = [both((w,), w, row) for row in rows]
        yield f"i{w.bits}: ties go to the lowest index", itertools.chain(*singles, both((w,), w, list(rows)))
    long = [[0] * n + [1] for n in range(6)]
    drafts = [both((I8,), to, row) for to in (I2, I3, I8) for row in long]
    long_rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    drafts += [both((a,), I8, [[a.lo, a.hi], [a.hi, a.lo]]) for a in WORDS]
    drafts += [both((I8,), I2, long_rows), both((I8,), I8, [*[0] * 128, 1, 0])]
    yield (
        "an index can overflow too",
        itertools.chain(*drafts),
    )
    shaped = ([5], [[5], [6]], [[[1, 2], [3, 0]], [[0, 0], [-1, 0]]], empty(0, 3), empty(2, 0, 1))
    yield "shapes", itertools.chain(*(both((I8,), I8, x) for x in shaped))
