"""Lockstep stops at the first difference between two backends and says where it is."""

import numpy as np
import pytest

from pocketnn.arith import OPS, Lockstep, Overflow, Pair, Reference, Register, Role, Vector, Word
from pocketnn.errors import DivergenceError

TO = Register(Role.ACCUMULATOR, Word(8), Overflow.SATURATE)


class Wrong(Reference):
    """Reference with the outcome of one op changed."""

    def __init__(self, op, change):
        self.op, self.change = op, change

    def apply(self, op, args, to, site):
        outcome = super().apply(op, args, to, site)
        return self.change(outcome) if op.name == self.op else outcome


def run(op, change, operands=([[1, 2], [3, 100]], [[5, 6], [7, 100]])):
    pair = Lockstep(Vector(measure=True), Wrong(op, change))
    args = [pair.apply(OPS["load"], (x,), TO, "x").value for x in operands]
    return pair.apply(OPS[op], tuple(args), TO, "fc1.forward.op")


def test_agreement_gives_the_left_outcome_on_pairs():
    outcome = run("add", lambda outcome: outcome)
    value = outcome.value
    assert isinstance(value, Pair)
    assert (value.shape, value.size) == ((2, 2), 4)
    assert value.ints().tolist() == [[6, 8], [10, 127]]
    assert (outcome.flags.events, outcome.flags.first) == (1, 3)
    assert outcome.span == (6, 200, 6, 200)


def test_a_wrong_value_is_named():
    def change(outcome):
        items = (*outcome.value.items[:2], 11, *outcome.value.items[3:])
        return outcome._replace(value=type(outcome.value)(outcome.value.shape, items))

    with pytest.raises(DivergenceError) as caught:
        run("add", change)
    assert str(caught.value) == (
        "fc1.forward.op (add into 8 bits, saturate): Vector and Wrong give 10 and 11 at element (1, 0)"
    )


def test_a_wrong_value_without_axes_is_named():
    def change(outcome):
        return outcome._replace(value=type(outcome.value)((), (0,)))

    with pytest.raises(DivergenceError, match=r"give 9 and 0 at element \(\)$"):
        run("add", change, operands=(4, 5))


def test_a_wrong_shape_is_named():
    def change(outcome):
        return outcome._replace(value=type(outcome.value)((4,), outcome.value.items))

    with pytest.raises(DivergenceError, match=r"^fc1\.forward\.op .*give shapes \(2, 2\) and \(4,\)$"):
        run("add", change)


@pytest.mark.parametrize(
    "field", ["events", "elements", "transient", "corrupted", "vanished", "zero_divisions", "first"]
)
def test_every_wrong_flag_is_named(field):
    def change(outcome):
        return outcome._replace(flags=outcome.flags._replace(**{field: 7}))

    with pytest.raises(DivergenceError, match=rf"^fc1\.forward\.op .*{field}=7"):
        run("add", change)


@pytest.mark.parametrize("field", ["lo", "hi", "least", "most"])
def test_every_wrong_bound_of_a_span_is_named(field):
    def change(outcome):
        return outcome._replace(span=outcome.span._replace(**{field: 7}))

    with pytest.raises(DivergenceError, match=rf"^fc1\.forward\.op .*{field}=7"):
        run("add", change)


def test_spans_are_compared_only_where_both_measure():
    assert run("add", lambda outcome: outcome._replace(span=None)).span is not None


def test_the_pair_keeps_each_backends_own_value():
    pair = Lockstep(Reference(), Vector())
    value = pair.apply(OPS["load"], (np.arange(3),), TO, "x").value
    assert type(value.left).__name__ == "Plain"
    assert type(value.right).__name__ == "Carrier"
