"""Operands for the ops that work element by element, and for `load`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from designed.drafts import I8, I16, I32, I48, MIXED, WORDS, Draft, Sections, both, column, edges, empty
from pocketnn.arith import Role, Word


def pairs_of(word: Word, pairs: list[tuple[int, int]]) -> list[Draft]:
    """Pairs of single values, as far as the word holds them."""
    held = [pair for pair in pairs if all(word.lo <= x <= word.hi for x in pair)]
    return [draft for a, b in held for draft in both((word, word), word, a, b)]


CHOSEN: dict[str, Callable[[int, int, int], list[tuple[int, int]]]] = {
    "add": lambda lo, hi, h: [
        (hi, 1), (hi - 1, 1), (hi, 0), (hi, hi), (lo, -1), (lo + 1, -1), (lo, 0), (lo, lo), (hi, lo), (lo, hi), (-1, 1),
        (hi, -1),
    ],
    "sub": lambda lo, hi, h: [
        (lo, 1), (lo + 1, 1), (lo, 0), (hi, -1), (0, lo), (-1, lo), (lo, lo), (hi, hi), (-1, hi), (-2, hi), (lo, hi),
        (hi, lo),
    ],
    "mul": lambda lo, hi, h: [
        (lo, -1), (-1, lo), (lo, 1), (lo, lo), (hi, hi), (hi, lo), (hi, -1), (lo, 2), (hi, 2), (lo // 2, 2),
        (lo // 2, -2), (h, h), (h, -h), (h - 1, h), (0, lo),
    ],
    "max": lambda lo, hi, h: [(lo, hi), (hi, lo), (-1, 0), (0, 0), (lo, lo), (hi, hi), (-1, -2)],
    "div": lambda lo, hi, h: [
        (lo, -1), (lo, 1), (lo + 1, -1), (hi, -1), (hi, 1), (lo, lo), (hi, lo), (lo, hi), (hi, hi), (lo, 2), (lo, -2),
        (7, 2), (-7, 2), (7, -2), (-7, -2), (0, 0), (1, 0), (-1, 0), (hi, 0), (lo, 0), (0, -1),
    ],
}  # fmt: skip
"""Pairs of single values by the word's bounds and a power of two whose square is its bound or twice that."""


def binary(op: str) -> Sections:
    """An op on two values: pairs of edges in every word, then mixed words and shapes."""
    for word in WORDS:
        chosen = CHOSEN[op](word.lo, word.hi, 1 << (word.bits // 2))
        yield f"i{word.bits}: bounds, powers of two and their neighbours", pairs_of(word, chosen)
    yield (
        "every pair of edges, column by row",
        [draft for word in WORDS for draft in both((word, word), word, column(edges(word)), [edges(word)])],
    )
    drafts = [both((a, b), to, column(edges(a)), [edges(b)]) for (a, b), to in MIXED]
    yield "operands and result in different words", itertools.chain(*drafts)
    yield "broadcasting; empty arrays; single elements", itertools.chain(*_shapes())


def _shapes() -> Iterator[Iterator[Draft]]:
    x = [[100, -100, 27], [-128, 127, 0]]
    for a, b in (
        (x, [28, -1, 0]),
        (x, [[-29], [1]]),
        (-1, x),
        ([x, [[0, -1, 1], [2, -2, 127]]], [[[-128, 1, -1]]]),
        ([127], 1),
        ([[-128]], [-1]),
        (empty(0), 5),
        (empty(0, 3), [1, 2, 3]),
        (empty(2, 0), [[1], [2]]),
        (empty(1, 0, 2), empty(0, 1)),
    ):
        yield both((I8, I8), I8, a, b)


def div() -> Sections:
    """As `binary`; dividends around zero, and what vanishes on the way into an update register."""
    yield from binary("div")
    for to in (I8, I16, I32):
        divisors = (1, -1, 2, 3, -3, 7, 100, -100)
        around = [both((to, to), to, range_around(d), d) for d in divisors]
        yield (
            f"i{to.bits}: dividends around zero; truncation is toward zero, so -(d-1)..-1 give 0",
            itertools.chain(*around),
        )
    updates = [
        draft
        for to, d in ((I8, -10), (I16, -1000), (I16, 1000), (I32, -1000), (I48, 7))
        for x in (0, 1, -1, abs(d) - 1, 1 - abs(d), abs(d), -abs(d))
        for draft in both((to, to), to, x, d, role=Role.UPDATE)
    ]
    yield "into an update register: a non-zero dividend whose quotient is zero has vanished", updates
    yield (
        "vanished and divided by zero in one array",
        itertools.chain(
            both((I16, I16), I16, [999, -999, 1000, 0, 5, -32768], [1000, -1000, 1000, 7, 0, -1], role=Role.UPDATE),
            both((I16, I16), I8, [[999, -999], [0, 1]], [[-1000], [0]], role=Role.UPDATE),
            both((I16, I16), I16, [999, -999, 0], 1000, role=Role.DELTA),
        ),
    )


def range_around(d: int) -> list[int]:
    """Dividends at which a quotient by `d` changes, and those between that give zero."""
    n = abs(d)
    return list(range(-n - 1, n + 2)) if n < 10 else [-n - 1, -n, 1 - n, -2, -1, 0, 1, n - 1, n, n + 1]


def unary(extra: Callable[[Word], list[int]]) -> Sections:
    """An op on one value, for the edges of every word and the `extra` ones."""
    yield (
        "bounds, powers of two and their neighbours",
        [draft for word in WORDS for x in edges(word) for draft in both((word,), word, x)],
    )
    drafts = [both((a,), to, sorted({*edges(a), *extra(a)})) for a, to in itertools.product(WORDS, WORDS)]
    yield "every word into every word", itertools.chain(*drafts)
    shaped = ([[1, 127], [-128, 0]], [-128], [[[-128]]], empty(0), empty(2, 0), empty(0, 1, 3))
    yield "shapes", itertools.chain(*(both((I8,), I8, x) for x in shaped))


def squares(word: Word) -> list[int]:
    """Squares and their neighbours."""
    roots = {1, 2, 3, 1 << (word.bits // 2 - 1), 1 << (word.bits // 4), 11585, 46340, 11863283}
    near = {root * root + step for root in roots for step in (-1, 0, 1)}
    return [x for x in near if 0 <= x <= word.hi]


def load() -> Sections:
    """Integers that no register has seen, far beyond the words too."""
    for word in WORDS:
        outside = sorted({*edges(word), word.lo - 1, word.hi + 1, 2 * word.lo, 2 * word.hi + 1, 2 * word.hi + 2})
        yield f"i{word.bits}: from outside, at and beyond the bounds", [d for x in outside for d in both((), word, x)]
    far = [255, -129, 1 << 31, (1 << 63) - 1, -(1 << 63), 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 65), 3**63]
    drafts = [both((), word, x) for word in (I8, I32, I48) for x in ([0, 255, 128, 127], [far[:5], far[5:]], *far)]
    yield "wider than any machine word", itertools.chain(*drafts)
    shaped = (256 * 784, [[1, 200], [-200, 3]], [5], empty(0), empty(3, 0))
    roles = (Role.CONSTANT, Role.INPUT)
    drafts = [both((), I16, x, role=role) for x in shaped for role in roles]
    yield "shapes and roles", itertools.chain(*drafts)
