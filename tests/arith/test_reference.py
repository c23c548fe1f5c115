"""Reference against straight loops in C integer types, and its flags against examples worked out by hand."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import arrays, values

from pocketnn.arith import (
    CLEAN,
    INT8,
    INT16,
    OPS,
    Flags,
    Narrowing,
    Overflow,
    Reference,
    Register,
    Role,
    Span,
    Tensor,
    Word,
    add_flags,
    merge_spans,
    narrowings,
    plain,
)

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE
C_TYPES = {8: ctypes.c_int8, 16: ctypes.c_int16, 32: ctypes.c_int32}


def apply(op, *args, bits=8, overflow=WRAP, role=Role.ACCUMULATOR):
    """Outcome of one op on integers from outside, in a register of so many bits."""
    operands = args[: OPS[op].arity]
    loaded = operands if op == "load" else [plain(x) for x in operands]
    return Reference().apply(OPS[op], (*loaded, *args[OPS[op].arity :]), Register(role, Word(bits), overflow), op)


# --- C as the oracle ---------------------------------------------------------------------------------------

c_words = st.sampled_from(sorted(C_TYPES))


@given(c_words, st.data())
@settings(max_examples=60)
def test_elementwise_ops_are_cs(bits, data):
    word, c = Word(bits), C_TYPES[bits]
    a, b, lo = (data.draw(values(word)) for _ in range(3))
    assert apply("add", a, b, bits=bits).value.items == (c(a + b).value,)
    assert apply("sub", a, b, bits=bits).value.items == (c(a - b).value,)
    assert apply("mul", a, b, bits=bits).value.items == (c(a * b).value,)
    assert apply("neg", a, bits=bits).value.items == (c(-a).value,)
    assert apply("max", a, b, bits=bits).value.items == (a if a > b else b,)
    assert apply("clamp", a, lo, b, bits=bits).value.items == (b if a > b or lo > b else lo if a < lo else a,)
    if b:
        quotient = int(f"{abs(a) // abs(b)}") * (1 if a * b > 0 else -1)
        assert apply("div", a, b, bits=bits).value.items == (c(quotient).value,)


@given(c_words, st.integers(0, 4), st.integers(0, 3), st.integers(0, 4), st.data())
@settings(max_examples=60)
def test_mac_is_a_loop_in_c(bits, n, k, m, data):
    word, c = Word(bits), C_TYPES[bits]
    a, b = data.draw(arrays(word, (n, k))), data.draw(arrays(word, (k, m)))
    events, expected = 0, []
    for i in range(n):
        for j in range(m):
            accumulator = 0
            for q in range(k):
                exact = int(a[i, q]) * int(b[q, j])
                product = c(exact).value
                total = c(accumulator + product).value
                events += (product != exact) + (total != accumulator + product)
                accumulator = total
            expected.append(accumulator)
    outcome = apply("mac", a, b, bits=bits)
    assert outcome.value.shape == (n, m)
    assert outcome.value.items == tuple(expected)
    assert outcome.flags.events == events


@given(c_words, st.integers(0, 4), st.integers(0, 4), st.integers(0, 1), st.data())
@settings(max_examples=60)
def test_sum_is_a_loop_in_c(bits, rows, columns, axis, data):
    word, c = Word(bits), C_TYPES[bits]
    x = data.draw(arrays(word, (rows, columns)))
    events, expected = 0, []
    for line in x if axis else x.T:
        accumulator = 0
        for term in line:
            total = c(accumulator + int(term)).value
            events += total != accumulator + int(term)
            accumulator = total
        expected.append(accumulator)
    outcome = apply("sum", x, axis, bits=bits)
    assert outcome.value.shape == ((rows, 1) if axis else (1, columns))
    assert outcome.value.items == tuple(expected)
    assert outcome.flags.events == events


# --- ops worked out by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "overflow", "stored", "flags"),
    [
        (("add", 127, 1), WRAP, -128, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("add", 127, 1), SATURATE, 127, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("add", 127, 0), WRAP, 127, CLEAN),
        (("neg", -128), WRAP, -128, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("neg", -128), SATURATE, 127, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("load", 255), WRAP, -1, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("div", -7, 2), WRAP, -3, CLEAN),
        (("div", 7, -2), WRAP, -3, CLEAN),
        (("div", -7, -2), WRAP, 3, CLEAN),
        (("div", 1, 2), WRAP, 0, CLEAN),
        (("div", -128, -1), WRAP, -128, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("div", -128, -1), SATURATE, 127, Flags(1, 1, 0, 1, 0, 0, 0)),
        (("div", 5, 0), WRAP, 127, Flags(zero_divisions=1)),
        (("div", -5, 0), WRAP, 127, Flags(zero_divisions=1)),
        (("div", 0, 0), SATURATE, 127, Flags(zero_divisions=1)),
        (("clamp", 5, 7, 3), WRAP, 3, CLEAN),
        (("isqrt", -128), WRAP, 0, CLEAN),
        (("isqrt", 120), WRAP, 10, CLEAN),
        (("isqrt", 121), WRAP, 11, CLEAN),
    ],
    ids=str,
)
def test_one_value(args, overflow, stored, flags):
    outcome = apply(*args, overflow=overflow)
    assert outcome.value.items == (stored,)
    assert outcome.flags == flags


def test_select_takes_the_first_bound_above_even_out_of_order():
    outcome = apply("select", [-5, 0, 1, 9], [0, -3, 5], [10, 20, 30, 40])
    assert outcome.value.items == (10, 30, 30, 40)
    assert apply("select", [3, 4], [], [7]).value.items == (7, 7)


def test_gather_reads_zero_at_minus_one():
    outcome = apply("gather", [[1, 2, 3], [4, 5, 6]], Tensor((2, 2), (2, -1, 0, 0)))
    assert outcome.value.shape == (2, 2, 2)
    assert outcome.value.items == (3, 0, 1, 1, 6, 0, 4, 4)


def test_argmax_takes_the_lowest_index_among_equals():
    assert apply("argmax", [[1, 3, 3], [-2, -2, -9]]).value.items == (1, 0)


def test_moving_ops():
    x = np.arange(6).reshape(2, 3)
    assert apply("transpose", x, (1, 0)).value == plain(x.T)
    assert apply("reshape", x, (3, 2)).value == plain(x.reshape(3, 2))
    assert apply("reshape", x, (6, 1), bits=2).flags.events == 4


def test_results_are_narrowed_into_the_destination_not_the_operands_word():
    assert apply("add", 1000, 1000, bits=16).value.items == (2000,)
    assert apply("max", 1000, -5, bits=8).value.items == (-24,)
    assert apply("argmax", [0] * 9 + [1], bits=4).value.items == (-7,)
    assert apply("isqrt", 40000, bits=8, overflow=SATURATE).value.items == (127,)


# --- flags -------------------------------------------------------------------------------------------------


def test_a_transient_mac_overflow_wraps_back():
    """100 + 100 wraps to -56, less 100 wraps back to 100: two events, and the exact result all the same."""
    outcome = apply("mac", [[100, 100, -100]], [[1], [1], [1]])
    assert outcome.value.items == (100,)
    assert outcome.flags == Flags(events=2, elements=1, transient=1, corrupted=0, first=0)
    assert outcome.span == Span(100, 100, -100, 200)


def test_the_same_mac_saturating_is_corrupted():
    outcome = apply("mac", [[100, 100, -100]], [[1], [1], [1]], overflow=SATURATE)
    assert outcome.value.items == (27,)
    assert outcome.flags == Flags(events=1, elements=1, transient=0, corrupted=1, first=0)
    assert outcome.span == Span(100, 100, -100, 200)


def test_saturation_can_be_transient_too():
    """One lost at the top is won back at the bottom: 127 + 1 -> 127, ..., -2 - 127 -> -128, the exact sum."""
    outcome = apply("sum", [127, 1, -127, -2, -127], 0, overflow=SATURATE)
    assert outcome.value.items == (-128,)
    assert outcome.flags == Flags(events=2, elements=1, transient=1, corrupted=0, first=0)


def test_products_and_sums_count_separately():
    """16 * 8 wraps to -128; -128 + -128 wraps to 0, which is the exact result."""
    outcome = apply("mac", [[16, 16]], [[8], [-8]])
    assert outcome.value.items == (0,)
    assert outcome.flags == Flags(events=2, elements=1, transient=1, corrupted=0, first=0)
    assert outcome.span == Span(0, 0, -128, 128)


def test_events_elements_and_first_over_several_elements():
    """Rows (100, 100, 100) and (1, 1, 1) by columns 1 and 0: one of four elements, with one event."""
    outcome = apply("mac", [[1, 1, 1], [100, 100, 50]], [[0, 1], [0, 1], [0, 1]])
    assert outcome.value.items == (0, 3, 0, -6)
    assert outcome.flags == Flags(events=1, elements=1, transient=0, corrupted=1, first=3)
    both = apply("mul", [[1, 100], [100, 1]], 2)
    assert both.flags == Flags(events=2, elements=2, corrupted=2, first=1)


def test_vanished_is_counted_in_update_registers_only():
    args = ("div", [3, -3, 0, 4, 9], [4, 4, 4, 4, 0])
    assert apply(*args, role=Role.UPDATE).flags == Flags(vanished=2, zero_divisions=1)
    assert apply(*args, role=Role.DELTA).flags == Flags(zero_divisions=1)


def test_a_division_that_overflows_to_zero_has_not_vanished():
    """300 / 1 wraps to 44 and 256 / 1 to 0: corrupted, but the exact quotient is not zero."""
    assert apply("div", [300, 256], [1, 1], role=Role.UPDATE).flags == Flags(2, 2, 0, 2, 0, 0, 0)


def test_spans_cover_every_order_of_summation():
    outcome = apply("sum", [[5, -7, 3], [1, 1, 1]], 1, bits=16)
    assert outcome.span == Span(lo=1, hi=3, least=-7, most=8)
    assert apply("mac", [[2, -3]], [[5], [4]], bits=16).span == Span(-2, -2, -12, 10)
    assert apply("add", [3, -4], 10).span == Span(6, 13, 6, 13)
    assert apply("add", [], 10).span is None
    assert apply("sum", [[], []], 1).span == Span(0, 0, 0, 0)


def test_flags_add_up():
    assert add_flags(Flags(1, 2, 3, 4, 5, 6, 7), Flags(10, 20, 30, 40, 50, 60, 0)) == Flags(11, 22, 33, 44, 55, 66, 7)


def test_spans_merge():
    a, b = Span(1, 2, -3, 4), Span(-1, 1, -1, 9)
    assert merge_spans(a, b) == merge_spans(b, a) == Span(-1, 2, -3, 9)
    assert merge_spans(a, None) == merge_spans(None, a) == a
    assert merge_spans(None, None) is None


# --- the order of narrowings -------------------------------------------------------------------------------


def steps(op, args, index, overflow=WRAP, word=INT8):
    operands = tuple(plain(x) for x in args[: OPS[op].arity])
    register = Register(Role.ACCUMULATOR, word, overflow)
    return list(narrowings(OPS[op], operands + args[OPS[op].arity :], index, register))


def test_mac_narrows_each_product_then_each_sum_in_the_order_of_k():
    assert steps("mac", ([[9, 9], [100, 20]], [[0, 2], [0, 10]]), (1, 1)) == [
        Narrowing(0, "product", (100, 2), 0, 200, -56),
        Narrowing(0, "sum", (100, 2), 0, -56, -56),
        Narrowing(1, "product", (20, 10), -56, 200, -56),
        Narrowing(1, "sum", (20, 10), -56, -112, -112),
    ]


def test_sum_narrows_after_each_addition():
    assert steps("sum", ([[1, 100], [2, 100], [3, -9]], 0), (0, 1), SATURATE) == [
        Narrowing(0, "sum", (100,), 0, 100, 100),
        Narrowing(1, "sum", (100,), 100, 200, 127),
        Narrowing(2, "sum", (-9,), 127, 118, 118),
    ]


def test_every_term_of_a_sum_meets_the_accumulator_unnarrowed():
    """A 16-bit term added in an 8-bit accumulator is not narrowed on its own: 300 - 50 is one operation."""
    assert steps("sum", ([-50, 300], 0), (0,), SATURATE) == [
        Narrowing(0, "sum", (-50,), 0, -50, -50),
        Narrowing(1, "sum", (300,), -50, 250, 127),
    ]


def test_ops_that_do_not_fold_narrow_once():
    assert steps("add", ([100, 1], 50), (0,)) == [Narrowing(0, "result", (100, 50), 0, 150, -106)]
    assert steps("div", (5, 0), (), word=INT16) == [Narrowing(0, "result", (5, 0), 0, 32767, 32767)]
    assert steps("select", ([7], [9], [1, 2]), (0,)) == [Narrowing(0, "result", (7, 9, 1, 2), 0, 1, 1)]
    assert steps("mac", (np.zeros((1, 0), int), np.zeros((0, 1), int)), (0, 0)) == []


# --- values ------------------------------------------------------------------------------------------------


def test_plain_values():
    value = plain(np.array([[1, 2], [3, 4]], np.uint8))
    assert (value.shape, value.items, value.size) == ((2, 2), (1, 2, 3, 4), 4)
    assert all(type(item) is int for item in value.items)
    assert value.ints().dtype == np.int64
    assert value.ints().tolist() == [[1, 2], [3, 4]]
    assert plain(2**70).items == (2**70,)


def test_elements_broadcast():
    column, single = plain([[1], [2]]), plain(7)
    assert column.at((1, 5)) == 2
    assert column.at((3, 0, 2)) == 1
    assert single.at((4, 4)) == 7


def test_ops_are_named_rows_of_the_table():
    assert repr(OPS["mac"]) == "OPS['mac']"
    assert all(op.name == name for name, op in OPS.items())
