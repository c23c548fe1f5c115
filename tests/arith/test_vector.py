"""What is Vector's own: exact dtypes, bounds it keeps about its values, certificates, and the two ways to fold."""

import copy
import importlib.util
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conformance import Case, check, check_program, fold_cases, programs
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import overflows, patterned, words

from pocketnn.arith import (
    CLEAN,
    INT8,
    INT16,
    OPS,
    Flags,
    Lockstep,
    Outcome,
    Overflow,
    Reference,
    Register,
    Role,
    Span,
    Tensor,
    Vector,
    Word,
    fit,
    folds,
    how,
    measured,
    narrowings,
    plain,
    sequential,
)
from pocketnn.arith import carrier as carriers
from pocketnn.arith import vector as vectors
from pocketnn.arith.carrier import Carrier, exact_dtype, fit_array
from pocketnn.arith.how import How, extremes
from pocketnn.arith.product import blocks
from pocketnn.errors import DataError, DivergenceError, UsageError

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE
INT48 = Word(48)
needs_numba = pytest.mark.skipif(not how.HAVE_COMPILED, reason="numba, the optional extra 'fast', is not installed")
either_fold = pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_numba)])
either_mode = pytest.mark.parametrize("overflow", [WRAP, SATURATE])
measured_or_not = pytest.mark.parametrize("measure", [False, True])


def register(bits, overflow=WRAP, role=Role.ACCUMULATOR):
    return Register(role, Word(bits), overflow)


def load(backend, outside, bits=48):
    return backend.apply(OPS["load"], (outside,), register(bits), "load").value


def mac_case(a, b, bits, overflow=WRAP):
    return Case("mac", ((np.array(a), INT48), (np.array(b), INT48)), register(bits, overflow))


# --- dtypes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "dtype"),
    [
        (0, np.float32),
        (2**24 - 1, np.float32),
        (2**24, np.float64),
        (2**53 - 1, np.float64),
        (2**53, np.int64),
        (2**62 - 1, np.int64),
        (2**62, object),
        (2**100, object),
    ],
)
def test_exact_dtypes_end_where_they_stop_being_exact(bound, dtype):
    assert exact_dtype(bound) is dtype


@pytest.mark.parametrize(
    ("largest", "bits", "dtype"),
    [
        (2**31 - 2**16 - 1, 16, np.int32),
        (2**31 - 2**16, 16, np.int64),
        (2**30, 31, np.int64),
        (2**63 - 2**48 - 1, 48, np.int64),
        (2**63 - 2**48, 48, object),
    ],
)
def test_lanes_hold_a_term_and_a_sum(largest, bits, dtype):
    assert sequential.lane_dtype(largest, register(bits)) is dtype


@given(st.data(), words(), overflows)
def test_fit_array_is_fit(data, word, overflow):
    for dtype, bits in ((np.float32, 24), (np.float64, 53), (np.int32, 32), (np.int64, 64), (object, 100)):
        if word.bits > min(bits, 48):
            continue
        items = data.draw(st.lists(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1), max_size=4))
        items += [x for x in (word.lo - 1, word.lo, word.hi, word.hi + 1, 0) if x.bit_length() < bits]
        exact = np.array(items, dtype)
        stored = fit_array(exact, word, overflow)
        assert stored.dtype == exact.dtype
        assert [int(x) for x in stored] == [fit(x, word, overflow) for x in items]
        out = np.zeros_like(exact)
        if dtype in (np.int32, np.int64):
            assert fit_array(exact, word, overflow, out=out) is out
            assert out.tolist() == stored.tolist()


@either_mode
@pytest.mark.parametrize("value", [2**62, 2**63, -(2**63) - 1, 2**64, -(2**70)])
@pytest.mark.parametrize("shape", [(), (1,), (2, 2)])
def test_integers_beyond_64_bits_are_loaded(value, shape, overflow):
    outside = np.full(shape, value, dtype=object)
    check(Vector, Case("load", ((outside, INT8),), register(8, overflow)))


@either_mode
def test_numpy_integers_in_an_object_array_do_not_wrap_on_their_own(overflow):
    outside = np.array([np.int64(2**63 - 1), np.int64(-(2**63)), np.uint64(2**64 - 1)], dtype=object)
    check(Vector, Case("load", ((outside, INT8),), register(8, overflow)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_every_integer_dtype_is_loaded(dtype):
    bounds = np.iinfo(dtype)
    outside = np.array([bounds.min, bounds.max, 1], dtype)
    for bits in (5, 16, 48):
        check(Vector, Case("load", ((outside, INT8),), register(bits)))


@either_fold
@measured_or_not
@either_mode
@pytest.mark.parametrize(("bits", "dtype"), [(8, "float32"), (20, "float64"), (30, "int64"), (48, "object")])
def test_mac_takes_every_dtype(monkeypatch, bits, dtype, overflow, measure, compiled):
    """Operands at the bounds, K = 5, into words that hold the result and words that do not."""
    product, seen = folds.product, []

    def spy(a, b, kind, manner):
        seen.append(np.dtype(kind).name)
        return product(a, b, kind, manner)

    monkeypatch.setattr(folds, "product", spy)
    word = Word(bits)
    operands = np.array([[word.lo, word.hi, 0, -1, word.lo], [word.hi] * 5, [1, 2, 3, 4, 5]])
    for to in {2, bits, min(2 * bits + 3, 48), 48}:
        case = Case("mac", ((operands, word), (operands.T, word)), register(to, overflow))
        check(lambda: Vector(measure=measure, compiled=compiled), case)
    assert set(seen) == {dtype}


@measured_or_not
@either_mode
@pytest.mark.parametrize("columns", [0, 1, 3])
@pytest.mark.parametrize(("rows", "depth"), [(3, 224), (224, 3), (2, 227), (1, 343), (343, 1), (0, 224), (224, 0)])
def test_long_and_narrow_products_are_cut_into_blocks(rows, depth, columns, overflow, measure):
    """And give what they give whole, in float32 and in float64."""
    for word in (INT8, INT16):
        a, b = np.resize(patterned(word), (rows, depth)), np.resize(patterned(word), (depth, columns))
        for bits in (16, 48):
            check(lambda: Vector(measure=measure), Case("mac", ((a, word), (b, word)), register(bits, overflow)))


def test_which_products_are_cut():
    assert blocks(20, 784) == (1, 7)
    assert blocks(784, 20) == (7, 1)
    for whole in ((500, 784), (784, 500), (20, 223), (20, 227), (0, 784), (65, 784)):
        assert blocks(*whole) == (1, 1)


@measured_or_not
@either_mode
@pytest.mark.parametrize(("rows", "word"), [(9, INT8), (99, Word(20)), (9, INT48), (77, INT48)])
def test_sum_takes_every_float(rows, word, overflow, measure):
    x = np.resize(patterned(word), (rows, 3))
    for bits in (2, word.bits, 48):
        check(lambda: Vector(measure=measure), Case("sum", ((x, word),), register(bits, overflow), (0,)))


@either_mode
def test_single_values_take_every_dtype(overflow):
    """NumPy turns 0-d arrays into scalars, and 0-d arrays of objects into bare integers."""
    for bits in (4, 16, 30, 48):
        word = Word(bits)
        for op in ("add", "sub", "mul", "div", "max"):
            for a in (word.lo, -1, word.hi):
                operands = tuple((np.array(x), word) for x in (a, word.lo))
                check(lambda: Vector(measure=True), Case(op, operands, register(bits, overflow)))
    pair = Lockstep(Reference(), Vector(measure=True))
    loaded = load(pair, 2**47 - 1)
    computed = pair.apply(OPS["neg"], (loaded,), register(48), "neg").value
    for op in ("mul", "add", "sub", "div", "max"):
        for args in ((computed, loaded), (loaded, computed), (computed, computed)):
            pair.apply(OPS[op], args, register(48, overflow), op)


@pytest.mark.parametrize("bits", [8, 24, 25, 48])
def test_division_of_neighbours_of_multiples_is_exact(bits):
    """Where a rounded quotient would reach the next integer if the float were too short."""
    word = Word(bits)
    divisors = np.array([d for d in patterned(word) if d > 0 and d * d < word.hi][-12:])
    dividends = np.array([[d * (word.hi // d) + step for d in divisors] for step in (-1, 0)])
    check(Vector, Case("div", ((dividends, word), (divisors, word)), register(bits)))
    check(Vector, Case("div", ((-dividends, word), (divisors, word)), register(bits)))


@either_fold
@measured_or_not
@either_mode
@pytest.mark.parametrize("role", [Role.UPDATE, Role.ACCUMULATOR])
@pytest.mark.parametrize("divisor", [1, -1, 3, -1000, 2**24 + 1, -(2**31)])
def test_division_by_one_number(divisor, role, overflow, measure, compiled):
    """Dividends of either dtype, and transposed; quotients of either dtype; with what vanished."""
    for bits, shape in itertools.product((8, 25, 48), ((), (0, 2), (7, 5))):
        word = Word(bits)
        dividends = np.resize(patterned(word), shape)
        case = Case("div", ((dividends, word), (np.array(divisor), INT48)), register(9, overflow, role))
        check(lambda: Vector(measure=measure, compiled=compiled), case)
    pair = Lockstep(Reference(), Vector(measure=measure, compiled=compiled))
    turned = pair.apply(OPS["transpose"], (load(pair, np.arange(-6, 6).reshape(4, 3)), (1, 0)), register(8), "").value
    pair.apply(OPS["div"], (turned, load(pair, divisor)), register(9, overflow, role), "")


@pytest.mark.parametrize("bits", [24, 25, 32, 48])
def test_division_by_zero_gives_every_words_exact_maximum(bits):
    """The operands are in float32, which does not hold 2^31 - 1."""
    operands = tuple((np.array(v), INT8) for v in ([[5, -5, 0]], [[0], [2]]))
    check(Vector, Case("div", operands, register(bits)))


def test_square_roots_next_to_perfect_squares_are_exact():
    roots = np.array([r for r in patterned(Word(25)) if 0 < r * r <= INT48.hi])
    for step in (-1, 0, 1):
        check(Vector, Case("isqrt", ((roots * roots + step, INT48),), register(48)))


# --- what a carrier claims about its values ----------------------------------------------------------------


class Inspected(Vector):
    """Vector, whose every result is looked at: the bounds must hold, and the dtype must be exact for the values."""

    def apply(self, op, args, to, site):
        outcome = super().apply(op, args, to, site)
        value = outcome.value
        low, high = extremes(value.data)
        assert value.data.dtype in (np.float32, np.float64)
        if value.size:
            assert value.lo <= low <= high <= value.hi
            assert not value.tight or (value.lo, value.hi) == (low, high)
            assert value.data.dtype == np.float64 or max(-low, high) < carriers.EXACT32
        assert (outcome.span is None) == (not self._how.measure or value.size == 0)
        return outcome


@measured_or_not
@given(program=programs())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_and_values_are_whole(measure, program):
    check_program(lambda: Inspected(measure=measure), program)


def test_carriers():
    value = load(Vector(), [[1, -5], [3, 4]], 8)
    assert (value.shape, value.size) == ((2, 2), 4)
    assert value.ints().dtype == np.int64
    assert value.ints().tolist() == [[1, -5], [3, 4]]
    assert repr(value) == "<Carrier (2, 2) float32 in -5..4>"
    loose = Carrier(np.array([1.0, -2.0]), -100, 7)
    assert (loose.magnitude, loose.tight) == (100, False)
    assert loose.tighten(How(measure=False)) is loose
    assert (loose.lo, loose.hi, loose.magnitude, loose.tight) == (-2, 1, 2, True)
    assert loose.tighten(How(measure=False)) is loose


@either_fold
@measured_or_not
def test_backends_can_be_pickled_and_copied(compiled, measure):
    vector = Vector(measure=measure, compiled=compiled)
    for twin in (pickle.loads(pickle.dumps(vector)), copy.deepcopy(vector)):
        assert (twin._how.measure, twin._how.compiled) == (measure, vector._how.compiled)
        assert load(twin, [1, 2]).ints().tolist() == [1, 2]


def test_bytes_are_loaded_without_looking():
    value = load(Vector(), np.array([3, 4], np.uint8), 16)
    assert (value.lo, value.hi, value.tight) == (0, 255, False)


# --- certificates ------------------------------------------------------------------------------------------


def naive_bounds(a, b):
    """K max|a| max|b|, the largest row sum of |a| times max|b|, and max sum|ab|: in int64, as one would write it."""
    a, b = np.abs(np.array(a, np.int64)), np.abs(np.array(b, np.int64))
    wide = np.array([a.shape[1]], np.int64) * a.max() * b.max()
    rows = a.sum(axis=1).max(keepdims=True) * b.max()
    return int(wide[0]), int(rows[0]), int((a @ b).max())


@either_fold
@measured_or_not
@either_mode
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[2**32, 2**32]], [[2**31], [2**31]]),
        ([[2**31, 2**31]], [[2**31], [2**31]]),
        ([[2**46] * 4], [[2**46]] * 4),
        ([[2**46, -(2**46)]], [[2**17], [2**17]]),
        ([[-(2**47), -(2**47)]], [[-(2**47)], [2**46]]),
    ],
    ids=["to-zero", "to-negative", "far", "cancelling", "at-the-bounds"],
)
def test_a_bound_computed_in_int64_can_itself_wrap(a, b, overflow, measure, compiled):
    """A certificate that multiplies in int64 wraps to a small or negative bound and calls an overflow safe.

    Here every such bound does. Vector's bounds are Python integers, and its dtypes follow from them.
    """
    assert all(bound <= INT16.hi for bound in naive_bounds(a, b))
    for bits in (16, 48):
        outcome = check(lambda: Vector(measure=measure, compiled=compiled), mac_case(a, b, bits, overflow))
        assert outcome.flags.events > 0


class Int64(int):
    """An integer whose products wrap as int64's do."""

    def __mul__(self, other):
        return Int64(fit_64(int(self) * int(other)))

    __rmul__ = __mul__


def fit_64(exact):
    return (exact + 2**63) % 2**64 - 2**63


def test_a_naive_certificate_would_have_called_such_operands_safe(monkeypatch):
    """The regression test above can fail: give Vector's bounds int64 products, and it misses both overflows."""
    case = mac_case([[2**46, -(2**46)]], [[2**17], [2**17]], 16)
    magnitude = Carrier.magnitude.fget
    monkeypatch.setattr(Carrier, "magnitude", property(lambda self: Int64(magnitude(self))))
    with pytest.raises(DivergenceError, match=r"events=2, .* and Flags\(events=0"):
        check(Vector, case)


@pytest.fixture
def folded(monkeypatch):
    """How many result elements went to the sequential fold, call by call."""
    sizes, fold = [], sequential.fold

    def spy(left, right, largest, to):
        result = fold(left, right, largest, to)
        sizes.append(result[0].size)
        return result

    monkeypatch.setattr(sequential, "fold", spy)
    return sizes


def test_few_failing_elements_are_folded_alone(folded):
    a, b = np.ones((10, 3), int), np.ones((3, 10), int)
    a[4, 1] = b[1, 7] = 100
    outcome = check(lambda: Vector(compiled=False), mac_case(a, b, 8))
    assert (outcome.flags.elements, outcome.flags.first) == (1, 47)
    assert folded == [1]


def test_many_failing_elements_take_the_whole_tile(folded):
    a, b = np.ones((10, 3), int), np.ones((3, 10), int)
    a[4, 1] = b[1] = 100
    outcome = check(lambda: Vector(compiled=False), mac_case(a, b, 8))
    assert outcome.flags.elements == 10
    a[4:6] = 100
    assert check(lambda: Vector(compiled=False), mac_case(a, b, 8)).flags.elements == 20
    assert folded == [10, 100]


@either_fold
def test_an_uncertified_element_need_not_overflow(folded, compiled):
    """100 - 100 + 100 fits in this order though not in every one: folded like the other, and without an event."""
    a, b = np.zeros((10, 3), int), np.zeros((3, 10), int)
    a[2], a[7], b[:, 4] = [100, -100, 100], [100, 100, -100], 1
    outcome = check(lambda: Vector(compiled=compiled), mac_case(a, b, 8))
    assert outcome.flags == Flags(events=2, elements=1, transient=1, first=74)
    assert folded == ([] if compiled else [2])


@either_fold
@measured_or_not
@either_mode
@pytest.mark.parametrize("bits", [8, 24, 30, 48])
def test_certificates_end_exactly_at_the_bounds(bits, overflow, measure, compiled):
    """Sums of two terms at a bound of the word, one short of it, and one beyond."""
    word = Word(bits)
    for end, step in ((word.lo, -1), (word.hi, 1)):
        for terms in ([end, 0], [end, step], [end - step, step], [end + step - 1, 1], [end + step + 1, -1]):
            x = np.array([terms, [0, 0]]).clip(word.lo, word.hi)
            ones, to = np.ones((2, 1), int), register(bits, overflow)
            check(lambda: Vector(measure, compiled), Case("mac", ((x, word), (ones, INT8)), to))
            check(lambda: Vector(measure, compiled), Case("sum", ((x, word),), to, (1,)))


def test_certified_products_are_not_folded(folded):
    """100 + 27 fits eight bits, and so does 64 * 1 - 64 * 1, though 64 + 64 would not."""
    for a in ([[100, 27]], [[64, -64]], [[-64, -64]]):
        assert check(lambda: Vector(compiled=False), mac_case(a, [[1], [1]], 8)).flags == CLEAN
    assert folded == []


def test_cheap_bounds_are_enough_where_they_hold(monkeypatch):
    """K max|a| max|b|, then the largest row sum: neither needs the second product with absolute values."""
    calls, product = [], folds.product
    monkeypatch.setattr(folds, "product", lambda *args: calls.append(1) or product(*args))
    for a, bits, products in (([[1, 2]], 8, 1), ([[9, 1]], 5, 1), ([[9, -9]], 5, 2)):
        calls.clear()
        check(lambda: Vector(compiled=False), mac_case(a, [[1], [1]], bits))
        assert len(calls) == products


@either_mode
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_fold_equals_the_definition_and_a_certificate_the_fold(overflow, data):
    """The same operands: fold directly and by `narrowings`; then in a word so wide that a certificate holds."""
    case = data.draw(fold_cases("mac"))
    (a, _), (b, _) = case.operands
    for to in (register(case.to.word.bits, overflow), register(48, overflow)):
        largest = max(1, int(np.abs(a).max())) * max(1, int(np.abs(b).max()))  # so that lanes hold the operands too
        index = tuple(np.ndindex(a.shape[0], b.shape[1]))
        steps = [list(narrowings(OPS["mac"], (plain(a), plain(b)), i, to)) for i in index]
        stored = [s[-1].stored for s in steps]
        events = [sum(step.exact != step.stored for step in s) for s in steps]
        results = [sequential.fold(a.T[:, :, None].astype(float), b[:, None, :].astype(float), largest, to)]
        lane = sequential.lane_dtype(largest, to)
        if how.HAVE_COMPILED and lane is not object:
            results.append(how.compiled.mac_fold(a.astype(float), b.astype(float), lane, to))
        for values, touched, count in results:
            assert values.reshape(-1).tolist() == stored
            assert touched.reshape(-1).tolist() == [n > 0 for n in events]
            assert count == sum(events)
        vector = Vector(compiled=False)
        outcome = vector.apply(OPS["mac"], (load(vector, a), load(vector, b)), to, "mac")
        assert outcome.value.ints().reshape(-1).tolist() == stored
        assert outcome.flags.events == sum(events)


@given(fold_cases("sum"))
@settings(max_examples=40, deadline=None)
def test_the_fold_of_a_sum_equals_the_definition(case):
    ((x, _),), (axis,) = case.operands, case.params
    terms = np.moveaxis(x, axis, 0).astype(float)
    values, touched, count = sequential.fold(terms, None, int(np.abs(x).max()), case.to)
    index = [(0, i) if axis == 0 else (i, 0) for i in range(x.shape[1 - axis])]
    steps = [list(narrowings(OPS["sum"], (plain(x), axis), i, case.to)) for i in index]
    events = [sum(step.exact != step.stored for step in s) for s in steps]
    assert values.tolist() == [s[-1].stored for s in steps]
    assert touched.tolist() == [n > 0 for n in events]
    assert count == sum(events)


def test_a_long_fold_is_narrowed_in_blocks():
    """More terms than fit a block, some of them all zero, which are left out."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(-9, 9, (10, 400)), rng.integers(-9, 9, (400, 10))
    a[:, 50:150] = 0
    outcome = check(lambda: Vector(measure=True, compiled=False), mac_case(a, b, 7))
    assert outcome.flags.events > 0


@needs_numba
@either_mode
@pytest.mark.parametrize("lane", [np.int32, np.int64])
def test_the_kernel_does_the_same_as_plain_python(lane, overflow):
    """Its source run by Python itself; the terms are small enough that NumPy's scalars do not overflow."""
    to = register(6, overflow)
    a, b = np.random.default_rng(7).integers(-9, 9, (2, 4, 6))
    a[1, 2] = 0
    stored, events = np.zeros((4, 4), lane), np.zeros((4, 4), lane)
    shift = lane(stored.itemsize * 8 - 6)
    kernel = how.compiled._KERNELS[lane].py_func
    saturate = overflow is SATURATE
    kernel(a.astype(lane), b.T.astype(lane), shift, lane(to.word.lo), lane(to.word.hi), saturate, stored, events)
    values, touched, count = how.compiled.mac_fold(a.astype(float), b.T.astype(float), lane, to)
    assert stored.tolist() == values.tolist()
    assert (events > 0).tolist() == touched.tolist()
    assert events.sum() == count > 0


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_division_does_the_same_as_plain_python(dtype):
    dividends = np.array([[-7, -2, 0], [1, 3, 9]], dtype)
    quotients = np.empty_like(dividends)
    assert how.compiled._divide.py_func(dividends, -3.0, quotients) == 2
    assert quotients.tolist() == [[2, 0, 0], [0, -1, -3]]
    values, vanished = how.compiled.divide(dividends, -3, np.float32)
    assert (values.tolist(), values.dtype, vanished) == (quotients.tolist(), np.float32, 2)


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_extremes_do_the_same_as_plain_python(dtype):
    data = np.array([[3, -7, 0], [1, 5, -2]], dtype)
    kernel = how.compiled.EXTREMES[data.dtype]
    assert kernel.py_func(data) == kernel(data) == (-7, 5)


@pytest.mark.parametrize("kernels", [False, True])
def test_extremes_of_every_layout_and_dtype(kernels):
    rng, manner = np.random.default_rng(1), How(measure=False, kernels=kernels)
    cases = ((np.float32, (1 << 24) - 1), (np.float64, (1 << 53) - 1), (np.int64, (1 << 62) - 1), (object, 1 << 70))
    for dtype, largest in cases:
        for shape in ((), (0, 3), (1,), (4, 5), (3, 4, 5)):
            data = np.array(rng.integers(-9, 9, shape)).astype(dtype)
            if data.size:
                data[(-1,) * data.ndim], data[(0,) * data.ndim] = largest, -largest
            for view in (data, data.T, data[..., ::2] if shape else data):
                seen = [int(x) for x in view.flat] or [0]
                assert manner.extremes(view) == extremes(view) == (min(seen), max(seen))


@needs_numba
def test_the_sparse_product_does_the_same_as_plain_python():
    left = np.array([[0, 3, 0, 0, -2, 0, 0], [0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 1, 1]], np.float32)
    right = np.random.default_rng(2).integers(-99, 99, (7, 5)).astype(np.float64)
    assert how.compiled._nonzero.py_func(left) == 7
    result = np.full((3, 5), np.nan)
    how.compiled._sparse_product.py_func(left, right, result)
    assert result.tolist() == how.compiled.sparse_product(left, right).tolist() == (left @ right).tolist()
    left[0] = 5
    assert how.compiled.sparse_product(left, right) is None


@needs_numba
def test_the_sum_with_extremes_does_the_same_as_plain_python():
    a, b = np.array([[1, -9], [4, 7]], np.float32), np.array([[2, 3], [-8, 5]], np.float32)
    total = np.empty_like(a)
    assert how.compiled._add.py_func(a, b, total) == (-6, 12)
    values, lo, hi = how.compiled.add(a, b)
    assert values.tolist() == total.tolist() == [[3, -6], [-4, 12]]
    assert (values.dtype, lo, hi) == (np.float32, -6, 12)


@either_fold
@measured_or_not
@pytest.mark.parametrize("largest", [99, (1 << 23) - 1, 1 << 23])
def test_large_sums(largest, measure, compiled):
    """In float32 and just beyond it; a transposed operand; one spread over the other; a word that is too small."""
    rng, vector = np.random.default_rng(largest), Vector(measure=measure, compiled=compiled)
    a, b = rng.integers(-largest, largest + 1, (2, 100, 90))
    a[3, 4] = b[3, 4] = largest
    x, y = load(vector, a, 48), load(vector, b, 48)
    turned = vector.apply(OPS["transpose"], (load(vector, b.T.copy(), 48), (1, 0)), register(48), "turn").value
    for left, right, exact in ((x, y, a + b), (x, turned, a + b), (x, load(vector, b[:1], 48), a + b[:1])):
        for bits in (48, 8):
            value, flags, span = vector.apply(OPS["add"], (left, right), register(bits), "add")
            fitted = [fit(int(v), Word(bits), WRAP) for v in exact.flat]
            assert value.ints().reshape(-1).tolist() == fitted
            assert flags.events == sum(v != w for v, w in zip(exact.flat, fitted, strict=True))
            assert (span is not None) == measure
            assert not measure or measured(Outcome(value, flags, span)) == Span(*[exact.min(), exact.max()] * 2)


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bounds", [[], [2], [-3, 0, 4], [4, -3, 0]])
def test_the_ladder_does_the_same_as_plain_python(dtype, bounds):
    numbers = np.array([[-4, -3, -2], [0, 4, 5]], dtype)
    places, ends = np.empty(numbers.shape, np.intp), np.array(bounds, np.float32)
    how.compiled._ladder.py_func(numbers, ends, places)
    expected = [next((i for i, end in enumerate(bounds) if x < end), len(bounds)) for x in numbers.flat]
    assert places.reshape(-1).tolist() == how.compiled.ladder(numbers, ends).reshape(-1).tolist() == expected


@measured_or_not
@pytest.mark.parametrize("share", [0, 5, 50, 100])
def test_products_with_many_zeros(share, measure):
    """As large as those whose zeros are skipped, in float64; weights for which that is exact, just so, and not."""
    rng = np.random.default_rng(share)
    for rows, depth, columns in ((1, 600, 500), (20, 783, 100), (65, 100, 50)):
        for largest in (9999, 32896, 32898, 65535):  # 255 * 32896 is the largest product up to 2^23
            a = rng.integers(-255, 256, (rows, depth)) * (rng.integers(0, 100, (rows, depth)) < share)
            a[0, :6] = 255
            b = rng.integers(-largest, largest + 1, (columns, depth)).T
            b[:6:2], b[1:6:2] = largest, largest - 1  # their sum, times 255, is odd
            vector = Vector(measure=measure)
            outcome = vector.apply(OPS["mac"], (load(vector, a, 16), load(vector, b, 18)), register(48), "mac")
            assert outcome.value.ints().tolist() == (a @ b).tolist()
            assert outcome.flags == CLEAN


# --- without numba -----------------------------------------------------------------------------------------


def without_numba(monkeypatch):
    """`how` as it is where numba is missing, under another name."""
    import pocketnn.arith as package

    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pocketnn.arith.compiled", raising=False)
    monkeypatch.delattr(package, "compiled", raising=False)
    spec = importlib.util.spec_from_file_location("how_without_numba", how.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_folds_work_without_numba(monkeypatch):
    module = without_numba(monkeypatch)
    assert module.HAVE_COMPILED is False
    vector = Vector()
    a, b = load(vector, [[100, 100]]), load(vector, [[1], [1]])
    outcome = folds.mac((a, b), register(8), module.How(measure=False))
    assert outcome.value.ints().tolist() == [[-56]]
    assert outcome.flags.events == 1


def test_asking_for_a_missing_kernel_is_an_error(monkeypatch):
    monkeypatch.setattr("pocketnn.arith.vector.HAVE_COMPILED", False)
    with pytest.raises(UsageError, match=r"needs numba: pip install 'pocketnn\[fast\]'"):
        Vector(compiled=True)
    Vector(compiled=False)
    Vector()


@needs_numba
def test_kernels_are_compiled_without_a_place_to_keep_them(monkeypatch):
    import numba

    from pocketnn.arith import jit

    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, options)

    monkeypatch.setattr(numba, "njit", njit)
    assert jit.kernel(error_model="numpy")(fit) == (fit, {"error_model": "numpy", "nogil": True})


def test_a_process_without_numba_computes_the_same():
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from pocketnn.arith import *\n"
        "v, to = Vector(), Register(Role.ACCUMULATOR, INT8)\n"
        "a, b = (v.apply(OPS['load'], (x,), to, 'x').value for x in ([[100, 100]], [[1], [1]]))\n"
        "print(v.apply(OPS['mac'], (a, b), to, 'y').value.ints().tolist())\n"
        "try: Vector(compiled=True)\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[[-56]]\nthe compiled kernel needs numba: pip install 'pocketnn[fast]'\n"


# --- the rest ----------------------------------------------------------------------------------------------


def test_spans_only_when_measured():
    for measure in (False, True):
        vector = Vector(measure=measure)
        x = load(vector, [[1, 2], [3, 4]])
        for op, args in (("add", (x, x)), ("mac", (x, x)), ("sum", (x, 0)), ("argmax", (x,))):
            assert (vector.apply(OPS[op], args, register(48), op).span is not None) == measure


@either_fold
def test_a_value_can_be_ladder_and_climber_in_turn(compiled):
    """`select` remembers what it found out about its operands; a value may be in either place."""
    pair = Lockstep(Reference(), Vector(compiled=compiled))
    x, low, choices = load(pair, [3, 5, 4]), load(pair, [2, 4]), load(pair, [7, 8, 9])
    to, select = register(8), OPS["select"]
    pair.apply(select, (x, low, choices), to, "x climbs")
    pair.apply(select, (load(pair, [4, 2, 6, 3]), x, load(pair, [1, 2, 3, 4])), to, "x is the ladder, out of order")
    pair.apply(select, (load(pair, [9, 1, 3]), low, choices), to, "another climbs")
    pair.apply(select, (low, x, load(pair, [1, 2, 3, 4])), to, "the ladder climbs")
    pair.apply(select, (x, low, load(pair, [4, 5, 6])), to, "the same again, other choices")


@pytest.mark.parametrize("count", [16, 17, 300])
def test_many_bounds(count):
    """As many as are compared one by one, one more, and more than a byte can count; two layouts."""
    below, choices = np.arange(count) - count // 2, np.arange(count + 1) * 3
    for x in (np.arange(-200, 200), np.arange(-20, 20).reshape(8, 5).T):
        check(Vector, Case("select", tuple((v, INT16) for v in (x, below, choices)), register(16)))


@measured_or_not
@pytest.mark.parametrize("distance", [0, 1, 5, 4096, 4097, 2**20])
@pytest.mark.parametrize("end", [2**24 - 1, 2**24 + 5, 2**40 + 3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_bounds_that_float32_does_not_hold(end, distance, sign, measure):
    """The operand is in float32, which rounds such bounds, and rounds two of them to one."""
    below = np.array(sorted([sign * end, sign * (end + distance)]))
    x = np.array([0, 1, -1, 2**24 - 1, -(2**24) + 1])
    case = Case("select", tuple((v, INT48) for v in (x, below, np.array([7, 8, 9]))), register(48))
    check(lambda: Vector(measure=measure), case)


@pytest.mark.parametrize("zero", [False, True])
def test_vanished_counts_every_broadcast_element(zero):
    divisors = np.array([[2], [5], [0 if zero else 3]])
    case = Case("div", ((np.array([[1, 2, 0]]), INT8), (divisors, INT8)), register(8, role=Role.UPDATE))
    outcome = check(Vector, case)
    assert outcome.flags.vanished == (3 if zero else 5)
    assert outcome.flags.zero_divisions == (3 if zero else 0)


def test_a_single_value_can_be_transposed():
    check(Vector, Case("transpose", ((np.array(3), INT8),), register(8), ((),)))


def test_clamp_between_bounds_that_are_not_in_order():
    x = np.arange(-20, 20)
    for lo, hi in ((5, -5), (-30, 30), (-30, -25), (25, 30)):
        operands = tuple((np.array(v), INT8) for v in (x, lo, hi))
        check(lambda: Vector(measure=True), Case("clamp", operands, register(4)))


def test_errors_that_are_not_about_shapes_stay_what_they_are(monkeypatch):
    vector = Vector()
    x = load(vector, [1, 2])

    def broken(args, to, manner):
        raise ValueError("a defect")

    monkeypatch.setitem(vectors._KERNELS, "neg", broken)
    with pytest.raises(ValueError, match=r"^a defect$"):
        vector.apply(OPS["neg"], (x,), register(8), "neg")
    with pytest.raises(DataError):
        load(vector, [0.5])


def test_index_tables_are_static():
    x = load(Vector(), [1, 2, 3])
    table = Tensor((2,), (2, -1))
    outcome = Vector().apply(OPS["gather"], (x, table), register(8), "gather")
    assert outcome.value.ints().tolist() == [3, 0]
