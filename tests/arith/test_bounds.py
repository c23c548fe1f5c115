"""Every interval rule against all the values there are: sound, and the tightest."""

import itertools
import random

import pytest

from pocketnn.arith import OPS

LO, HI = -5, 4
RANGES = [(lo, hi) for lo in range(LO, HI + 1) for hi in range(lo, HI + 1)]


def exhaustive(op, term):
    """The least and the greatest exact value over all integers within the ranges."""
    values = []
    for chosen in itertools.product(*(range(lo, hi + 1) for lo, hi in term)):
        try:
            values.append(OPS[op].exact(*chosen))
        except ZeroDivisionError:
            continue
    return (min(values), max(values)) if values else None


@pytest.mark.parametrize("op", ["load", "neg", "isqrt", "sum", "gather", "transpose", "reshape"])
def test_one_operand(op):
    for x in RANGES:
        assert OPS[op].interval(x) == exhaustive(op, (x,)), x


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "mac", "max"])
def test_two_operands(op):
    for term in itertools.product(RANGES, RANGES):
        expected = exhaustive(op, term)
        if expected is None:
            with pytest.raises(ZeroDivisionError):
                OPS[op].interval(*term)
        else:
            assert OPS[op].interval(*term) == expected, term


@pytest.mark.parametrize(("op", "arity"), [("clamp", 3), ("argmax", 1), ("argmax", 2), ("argmax", 4)])
def test_several_operands(op, arity):
    rng = random.Random(arity)
    small = [(lo, hi) for lo, hi in RANGES if hi - lo <= 3]
    for _ in range(1000):
        term = tuple(rng.choice(small) for _ in range(arity))
        assert OPS[op].interval(*term) == exhaustive(op, term), term


@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
def test_ladders_of_known_bounds(pieces):
    rng = random.Random(pieces)
    for _ in range(1000):
        below = [rng.randint(LO, HI) for _ in range(pieces - 1)]  # in order or not
        choices = [rng.choice(RANGES) for _ in range(pieces)]
        term = (rng.choice(RANGES), *((b, b) for b in below), *choices)
        assert OPS["select"].interval(*term) == exhaustive("select", term), term


def test_ladders_whose_bounds_are_ranges():
    rng = random.Random(0)
    small = [(lo, hi) for lo, hi in RANGES if hi - lo <= 2]
    for _ in range(1000):
        term = tuple(rng.choice(small) for _ in range(6))
        lo, hi = OPS["select"].interval(*term)
        least, most = exhaustive("select", term)
        assert lo <= least, term
        assert most <= hi, term
