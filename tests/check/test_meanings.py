"""That corners decide, and every other rule of the checker, op by op: against all integers of small boxes."""

import itertools
import math
from dataclasses import replace

import pytest

from pocketnn.arith.ops import OPS, Tensor
from pocketnn.check import meanings
from pocketnn.check.meanings import CORNERS, FOLDS, MOVES, UNDERSTOOD

SIDES = [(lo, hi) for lo in range(-4, 5) for hi in range(lo, 5)]
FEW = [(lo, hi) for lo in range(-2, 3) for hi in range(lo, 3)]


def inside(side):
    return range(side[0], side[1] + 1)


def boxes(op):
    """Every small box of an op's operands; of a division, those without 0 as a divisor."""
    for box in itertools.product(*([SIDES] if OPS[op].arity < 3 else [FEW]) * OPS[op].arity):
        if op != "div" or not box[1][0] <= 0 <= box[1][1]:
            yield list(box)


def test_each_op_has_one_rule_and_is_in_the_table():
    """A new row is in none of the literal sets, so it is refused until somebody has looked at it here."""
    assert set(OPS) >= UNDERSTOOD
    assert len(CORNERS) + len(FOLDS) + len(MOVES) + len({"load", "select", "argmax"}) == len(UNDERSTOOD)


@pytest.mark.parametrize("op", sorted(CORNERS | {"mac"}))  # of a fold, the terms
def test_corners_decide(op):
    for box in boxes(op):
        corners = meanings.at_corners(op, box)
        exact = [OPS[op].exact(*point) for point in itertools.product(*map(inside, box))]
        assert (min(corners), max(corners)) == (min(exact), max(exact)), box


def test_an_op_of_which_corners_do_not_decide_would_be_noticed(monkeypatch):
    monkeypatch.setitem(OPS, "neg", replace(OPS["neg"], exact=lambda x: x * x))
    with pytest.raises(AssertionError):
        test_corners_decide("neg")


def test_squares():
    for side in SIDES:
        found, exact = meanings.squares(side), [OPS["mul"].exact(x, x) for x in inside(side)]
        assert (min(found), max(found)) == (min(exact), max(exact)), side


@pytest.mark.parametrize("below", [[], [0], [-1, 2], [2, -1], [0, 0], [-3, 0, 3]])
def test_ladders(below):
    """Choices that are ranges themselves; bounds in order, out of order, and twice the same."""
    for choices in itertools.product([(0, 0), (-5, 1), (7, 9)], repeat=len(below) + 1):
        for side in SIDES:
            found = meanings.on_ladder(side, below, list(choices))
            exact = [
                OPS["select"].exact(x, *below, *chosen)
                for x in inside(side)
                for chosen in itertools.product(*choices)
            ]  # fmt: skip
            assert (min(found), max(found)) == (min(exact), max(exact)), (side, choices)


def test_winners():
    for row in itertools.product(FEW, repeat=3):
        exact = {OPS["argmax"].exact(*values) for values in itertools.product(*map(inside, row))}
        assert set(meanings.winners(list(row))) == exact, row


def test_quotients_times_their_divisors_and_remainders():
    for a, d in itertools.product(SIDES, SIDES):
        if d[0] <= 0 <= d[1]:
            continue
        spent = [(x, y, OPS["mul"].exact(OPS["div"].exact(x, y), y)) for x in inside(a) for y in inside(d)]
        for claim, values in (
            (meanings.multiple(a), [p for _, _, p in spent]),
            (meanings.remainder(a, d), [x - p for x, _, p in spent]),
        ):
            assert claim[0] <= min(values), (a, d)
            assert max(values) <= claim[1], (a, d)


@pytest.mark.parametrize(
    ("op", "shape", "param"),
    [
        ("transpose", (2, 3), (1, 0)),
        ("transpose", (2, 3, 4), (2, 0, 1)),
        ("reshape", (2, 6), (3, 4)),
        ("gather", (2, 3), Tensor((2, 2), (0, -1, 2, 1))),
    ],
)
def test_moves_come_from_where_the_op_table_says(op, shape, param):
    x = Tensor(shape, tuple(range(100, 100 + math.prod(shape))))
    result = OPS[op].shape((shape,), (param,))
    for index in itertools.product(*map(range, result)):
        ((expected,),) = OPS[op].terms((x, param), index)
        source = meanings.source_of(op, index, shape, result, param)
        assert (0 if source is None else x.at(source)) == expected, index
