"""The interval backend: sound on any op and any chain of ops, and exact where it says that it is."""

import itertools

import numpy as np
import pytest
from conformance import CASES, MISFITS, check_misfit, programs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from within import Held, Within

from pocketnn.arith import (
    INT8,
    OPS,
    Interval,
    Overflow,
    Partition,
    Ranges,
    Reference,
    Register,
    Role,
    Tensor,
    Word,
)
from pocketnn.errors import DataError, UsageError
from pocketnn.machine import Machine, Widths

few = settings(max_examples=40, deadline=None)
many = settings(max_examples=1000, deadline=None)


@st.composite
def around(draw, array, word):
    """Ranges that hold `array`: of the values themselves, of more, or one for a whole axis."""
    if array.size == 0:
        return Ranges(array.shape, array, array)
    reach = draw(st.sampled_from([0, 0, 1, 3, 100, word.hi]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    lo = np.maximum(array - rng.integers(0, reach + 1, array.shape), word.lo)
    hi = np.minimum(array + rng.integers(0, reach + 1, array.shape), word.hi)
    for axis in range(array.ndim):
        if draw(st.integers(0, 3)) == 0:
            lo, hi = lo.min(axis, keepdims=True), hi.max(axis, keepdims=True)
    return Ranges(array.shape, lo, hi)


def hold(pair, array, word, ranges):
    return pair.apply(OPS["load"], (Held(ranges, array),), Register(Role.INPUT, word), "operand").value


def check_case(draw, case, fast):
    pair = Within(fast)
    if case.op == "load":
        pair.apply(OPS["load"], (case.operands[0][0],), case.to, "load")
        return
    args = [hold(pair, array, word, draw(around(array, word))) for array, word in case.operands]
    pair.apply(OPS[case.op], (*args, *case.params), case.to, case.op)


def check_program(draw, program, fast):
    pair = Within(fast)
    held = [hold(pair, array, word, draw(around(array, word))) for array, word in program.leaves]
    for number, step in enumerate(program.steps):
        args = tuple(held[i] for i in step.args)
        held.append(pair.apply(OPS[step.op], (*args, *step.params), step.to, f"step{number}").value)


@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
@few
def test_no_op_leaves_its_range(op, data):
    check_case(data.draw, data.draw(CASES[op]), fast=False)


@pytest.mark.slow
@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
@many
def test_no_op_leaves_its_range_in_many_cases(op, data):
    check_case(data.draw, data.draw(CASES[op]), fast=False)


@given(program=programs(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_chain_of_ops_leaves_its_ranges(program, data):
    check_program(data.draw, program, fast=False)


@pytest.mark.slow
@given(program=programs(), data=st.data())
@settings(max_examples=10000, deadline=None)
def test_no_chain_of_ops_leaves_its_ranges_in_many_cases(program, data):
    check_program(data.draw, program, fast=True)


WORD4, WORD6 = Register(Role.ACCUMULATOR, Word(4)), Register(Role.ACCUMULATOR, Word(6), Overflow.SATURATE)
NO_ROWS = Ranges((0, 3), np.zeros((0, 3), int), np.zeros((0, 3), int))
APART, TWO_ROWS = Ranges((3,), [-7, 0, 2], [-1, 3, 7]), Ranges((2, 3), [[-7, 0, 2], [1, 1, 1]], [[-1, 3, 7], [2, 1, 5]])

# Each rule of the op table at least once, whatever Hypothesis draws above: op, ranges of the operands, parameters.
RULES = [
    ("load", [[1 << 70, -(1 << 70), 5]], ()),
    ("load", [np.array([1 << 63], np.uint64)], ()),
    ("load", [np.array([1 << 63], ">u8")], ()),
    ("add", [APART, TWO_ROWS], ()),
    ("div", [APART, Ranges((), 2, 3)], ()),
    ("div", [APART, Ranges((), -2, 3)], ()),
    ("div", [APART, Ranges((), 0, 0)], ()),
    ("mac", [TWO_ROWS, Ranges((3, 2), -2, 3)], ()),
    ("mac", [TWO_ROWS, Ranges((3, 2), 1, 1)], ()),
    ("mac", [NO_ROWS, Ranges((3, 2), 1, 1)], ()),
    ("sum", [TWO_ROWS], (0,)),
    ("sum", [TWO_ROWS], (1,)),
    ("select", [APART, Ranges((2,), [-2, 0], [-1, 4]), Ranges((3,), [-3, 1, 4], [-1, 1, 7])], ()),
    ("select", [APART, Ranges((2,), [-2, 3], [-2, 3]), Ranges((3,), [-3, 1, 4], [-1, 1, 7])], ()),
    ("argmax", [TWO_ROWS], ()),
    ("argmax", [NO_ROWS], ()),
    ("gather", [TWO_ROWS], (Tensor((2, 2), (-1, 0, 2, 1)),)),
    ("transpose", [TWO_ROWS], ((1, 0),)),
    ("reshape", [TWO_ROWS], ((2, 3),)),
    ("reshape", [TWO_ROWS], ((3, 2),)),
    ("reshape", [Ranges((2, 3), -1, 4)], ((6,),)),
]


@pytest.mark.parametrize("to", [WORD4, WORD6], ids=str)
@pytest.mark.parametrize(("op", "operands", "params"), RULES, ids=[rule[0] for rule in RULES])
def test_every_rule_holds_for_numbers_of_its_ranges(op, operands, params, to):
    pair = Within()
    if op == "load":
        pair.apply(OPS["load"], (operands[0],), to, "load")
        return
    for _ in range(50):
        args = [pair.apply(OPS["load"], (x,), Register(Role.INPUT, INT8), "operand").value for x in operands]
        pair.apply(OPS[op], (*args, *params), to, op)


class Points(Interval):
    """Checks that ranges of single numbers are those numbers, with the spans and overflows of Reference."""

    def apply(self, op, args, to, site):
        outcome = super().apply(op, args, to, site)
        plain = [x.hull().ints() if isinstance(x, Ranges) else x for x in args]
        operands = [
            Reference().apply(OPS["load"], (x,), Register(Role.INPUT, Word(48)), "").value for x in plain[: op.arity]
        ]
        real = Reference().apply(op, (*(plain if op.name == "load" else (*operands, *args[op.arity :])),), to, site)
        assert np.array_equal(outcome.value.hull().ints(), real.value.ints())
        assert (outcome.flags.events > 0) == (real.flags.events > 0)
        assert (outcome.flags.zero_divisions > 0) == (real.flags.zero_divisions > 0)
        assert outcome.span == real.span
        return outcome


@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
@few
def test_single_numbers_stay_single_numbers(op, data):
    case = data.draw(CASES[op])
    backend = Points()
    if op == "load":
        backend.apply(OPS[op], (case.operands[0][0],), case.to, op)
        return
    args = [backend.apply(OPS["load"], (a,), Register(Role.INPUT, w), "").value for a, w in case.operands]
    backend.apply(OPS[op], (*args, *case.params), case.to, op)


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda m: f"{m[0]}-{m[1]}".replace(" ", ""))
def test_operands_that_do_not_go_together(misfit):
    assert check_misfit(Interval(), misfit) == check_misfit(Reference(), misfit)


# --- exactness -----------------------------------------------------------------------------------------------


def ranged(m, *pairs, to=Role.INPUT, shape=None):
    lo, hi = zip(*pairs, strict=True)
    return m.load(Ranges(shape or (len(pairs),), np.reshape(lo, shape or -1), np.reshape(hi, shape or -1)), to)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("bits", [4, 5, 6, 12])
def test_sums_with_known_weights_are_exact(bits, overflow):
    """Spans, results and whether anything overflows, against every input there is."""
    rng = np.random.default_rng(bits)
    to = Register(Role.ACCUMULATOR, Word(bits), overflow)
    wide = Register(Role.INPUT, INT8)
    for _ in range(30):
        weights = rng.integers(-3, 4, (3, 2))
        lo = rng.integers(-2, 2, 3)
        hi = lo + rng.integers(0, 3, 3)
        inputs = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))
        x, w = (Reference().apply(OPS["load"], (v,), wide, "").value for v in (inputs, weights))
        real = Reference().apply(OPS["mac"], (x, w), to, "")
        w = Interval().apply(OPS["load"], (weights,), wide, "").value
        claimed = Interval().apply(OPS["mac"], (Ranges((1, 3), lo[None], hi[None]), w), to, "")
        assert claimed.span == real.span
        assert (claimed.flags.events > 0) == (real.flags.events > 0)
        if real.flags.events == 0 or overflow is Overflow.SATURATE:
            assert claimed.value.lo[0].tolist() == real.value.ints().min(0).tolist()
            assert claimed.value.hi[0].tolist() == real.value.ints().max(0).tolist()


@pytest.mark.parametrize("overflow", Overflow)
def test_a_range_is_narrowed_to_its_image(overflow):
    """Exact when saturating and when all of it wraps alike; the whole word when it does not."""
    word = Word(4)
    for lo, hi in itertools.combinations_with_replacement(range(-25, 26), 2):
        m = Machine(Interval(), Widths(word), overflow)
        value = m.load(Ranges((), lo, hi), Role.INPUT)
        image = Reference().apply(OPS["load"], (np.arange(lo, hi + 1),), m.register(Role.INPUT), "").value.ints()
        claimed = (int(value.lo), int(value.hi))
        if overflow is Overflow.SATURATE or image.max() - image.min() == hi - lo:
            assert claimed == (image.min(), image.max())
        else:
            assert claimed == (word.lo, word.hi)


def test_what_a_select_chose_is_taken_together_with_what_it_was_chosen_by():
    m = Machine(Interval())
    x = ranged(m, (-100, 100))
    below, slope, offset = m.constant([0], "below"), m.constant([-1, 1], "slope"), m.constant([-7, 7], "offset")
    absolute = m.mul(x, m.select(x, below, slope))
    assert absolute.ends() == (0, 100)
    assert m.add(absolute, m.select(x, below, offset)).ends() == (-6, 107)


def test_what_a_select_cannot_choose_counts_for_nothing():
    m = Machine(Interval())
    x = ranged(m, (3, 100))
    slope = m.select(x, m.constant([0], "below"), m.constant([-99, 2], "slope"))
    assert m.mul(x, slope).ends() == (6, 200)


def test_equal_terms_that_saturate_stop_at_the_bound():
    m = Machine(Interval(), Widths.of(8), Overflow.SATURATE)
    assert m.sum(m.load(Ranges((20, 2), 5, 9), Role.INPUT), 0).ends() == (100, 127)
    assert m.sum(m.load(Ranges((20, 2), -9, -8), Role.INPUT), 0).ends() == (-128, -128)


def test_a_square_is_not_negative():
    m = Machine(Interval())
    x, y = ranged(m, (-3, 2)), ranged(m, (-3, 2))
    assert m.mul(x, x).ends() == (0, 9)
    assert m.mul(x, y).ends() == (-6, 9)


@given(a=st.tuples(st.integers(-99, 99), st.integers(-99, 99)), d=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
@example(a=(-99, 50), d=(3, 7))
@settings(max_examples=200, deadline=None)
def test_what_a_division_leaves_over_is_smaller_than_the_divisor(a, d):
    """The remainder a - (a / d) d, against every a and d there are."""
    a, d = sorted(a), sorted(d)
    m = Machine(Interval())
    dividend, divisor = ranged(m, tuple(a)), ranged(m, tuple(d))
    multiple = m.mul(m.div(dividend, divisor), divisor)
    left = m.sub(dividend, multiple)
    x, y = np.meshgrid(np.arange(a[0], a[1] + 1), np.arange(d[0], d[1] + 1))
    x, y = x[y != 0], y[y != 0]
    if x.size:
        part = np.trunc(x / y).astype(int) * y
        for claimed, real in ((multiple, part), (left, x - part)):
            lo, hi = claimed.ends()
            assert lo <= real.min()
            assert real.max() <= hi
    if d[0] > 0 or d[1] < 0:
        assert -max(-d[0], d[1]) < left.ends()[0]
        assert left.ends()[1] < max(-d[0], d[1])


def test_rows_of_known_classes_are_kept_apart_until_rows_are_summed():
    """One-hot targets: of each row one element is 15, and that is known after a product with a matrix."""
    m = Machine(Interval())
    hot = 15 * np.eye(3, dtype=np.int64)
    targets = m.load(Ranges((20, 3), hot[:, None], hot[:, None], (Partition(3, by_row=True),)), Role.CONSTANT)
    w = m.constant([[1], [1], [1]], "w")
    assert m.sum(targets, 1).ends() == (15, 15)
    assert m.mac(targets, w).ends() == (15, 15)
    assert m.sum(targets, 0).ends() == (0, 300)
    assert m.mac(m.transpose(targets, (1, 0)), m.load(np.ones((20, 1), int), Role.INPUT)).ends() == (0, 300)


def test_equal_ranges_are_no_equal_values():
    leaf = Ranges((2,), 0, 9)
    m = Machine(Interval())
    assert m.sub(m.load(leaf, Role.INPUT), m.load(leaf, Role.INPUT)).ends() == (-9, 9)
    assert m.mul(m.load(Ranges((), -3, 3), Role.INPUT), m.load(Ranges((), -3, 3), Role.INPUT)).ends() == (-9, 9)


# --- what it says of itself ----------------------------------------------------------------------------------


def test_a_range_is_no_number():
    m = Machine(Interval())
    x = ranged(m, (0, 255), (3, 3))
    with pytest.raises(UsageError, match=r"<Ranges \(2,\) in 0..255> is no number"):
        x.ints()
    assert m.constant([1, 2], "c").ints().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("shape", "lo"), [((2,), np.zeros((3,), int)), ((2, 3), np.zeros((2,), int)), ((), np.zeros((2,), int))]
)
def test_bounds_that_do_not_belong_to_the_shape(shape, lo):
    with pytest.raises(UsageError, match="do not belong"):
        Ranges(shape, lo, lo)


def test_bounds_are_integers_that_registers_hold_and_in_order():
    with pytest.raises(DataError, match="where an integer belongs"):
        Ranges((), np.float64(0.5), 1)
    with pytest.raises(UsageError, match="beyond 64 bits"):
        Ranges((), 0, 1 << 70)
    with pytest.raises(UsageError, match="empty range"):
        Machine(Interval()).load(Ranges((2,), [0, 5], [9, 4]), Role.INPUT)


def test_the_ledger_shows_ranges_and_what_can_overflow():
    m = Machine(Interval(), Widths(INT8))
    m.add(ranged(m, (0, 100)), ranged(m, (-5, 50)), at="here")
    site = m.ledger["here"]
    assert (site.span.lo, site.span.hi) == (-5, 150)
    assert site.overflowed
    assert site.witness is None  # a range shows no value
    assert m.ledger["load"].flags.events == 0


def test_more_cases_than_are_kept_apart_are_taken_together(monkeypatch):
    monkeypatch.setattr("pocketnn.arith.ranges.MOST_CASES", 2)
    backend, to = Interval(), Register(Role.ACCUMULATOR, Word(16), Overflow.WRAP)

    def apply(name, *args):
        return backend.apply(OPS[name], args, to, name).value

    below, choices = apply("load", [0, 10]), apply("load", [-1, 5, 7])
    chosen = [apply("select", apply("load", Ranges((2,), -20, 20)), below, choices) for _ in range(2)]
    total = apply("add", *chosen)
    assert total.ends() == (-2, 14)
