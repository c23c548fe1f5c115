"""Ranges of many results: exactly those that the results have one by one, whatever is batched, put off or left out."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from pocketnn.arith import (
    OPS,
    OWN_RANGE,
    Extent,
    Interval,
    Lockstep,
    Overflow,
    Reference,
    Register,
    Role,
    Span,
    Terms,
    Vector,
    Word,
    extent,
    measured,
    merge_spans,
    settled,
    span_of,
    spans_of,
)
from pocketnn.arith.carrier import LARGE
from pocketnn.arith.extent import _MANY
from pocketnn.arith.how import HAVE_COMPILED, How

MAC, SUM = OPS["mac"], OPS["sum"]
needs_numba = pytest.mark.skipif(not HAVE_COMPILED, reason="numba, the optional extra 'fast', is not installed")


@pytest.fixture(autouse=True, params=[False, pytest.param(True, marks=needs_numba)], ids=["numpy", "numba"])
def either_look(monkeypatch, request):
    """Every test here runs with the compiled kernel and without."""
    if not request.param:
        monkeypatch.setattr(extent, "_HOW", How(measure=True, kernels=False))


def register(bits):
    return Register(Role.ACCUMULATOR, Word(bits), Overflow.WRAP)


def load(backend, values, bits=32):
    return backend.apply(OPS["load"], (values,), register(bits), "load").value


def outcomes(shapes, bits, largest, seed=1):
    """Of both backends, for matrix products (N, K) by (K, M) of numbers up to `largest`."""
    draw = np.random.default_rng(seed)
    for n, k, m in shapes:
        operands = draw.integers(-largest, largest + 1, (n, k)), draw.integers(-largest, largest + 1, (k, m))
        yield [
            backend.apply(MAC, tuple(load(backend, x) for x in operands), register(bits), "mac")
            for backend in (Vector(measure=True), Reference())
        ]


@pytest.mark.parametrize("largest", [9, 1000, 30000])
def test_folds_that_certainly_did_not_overflow_leave_their_terms(largest):
    shapes = [(2, 3, 4), (2, 3, 4), (1, 1, 1), (3, 0, 2), (2, 3, 4), (4, 3, 2)]
    pairs = list(outcomes(shapes, 48, largest))
    assert all(isinstance(ours.span, Terms) for ours, _ in pairs)
    assert [measured(ours) for ours, _ in pairs] == [truth.span for _, truth in pairs]
    together = spans_of([(ours.span, ours.value.numbers()) for ours, _ in pairs])
    assert together == [truth.span for _, truth in pairs]
    assert all(type(x) is int for span in together for x in span)


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_leave_their_terms_too(axis):
    matrices = [[[3, -5, 7], [-2, 4, -6]], [[1, 1, 1], [0, 0, -9]], [[2], [-3]]]
    vector, extent, expected = Vector(measure=True), Extent(), None
    for matrix in matrices:
        ours = vector.apply(SUM, (load(vector, matrix), axis), register(32), "sum")
        truth = Reference().apply(SUM, (load(Reference(), matrix), axis), register(32), "sum")
        assert isinstance(ours.span, Terms)
        assert measured(ours) == truth.span
        extent.add(ours.span, ours.value)
        expected = merge_spans(expected, truth.span)
    assert extent.span == expected


def test_a_fold_whose_bounds_do_not_fit_is_measured_at_once():
    ((ours, truth),) = outcomes([(2, 8, 2)], 16, 100)
    assert isinstance(ours.span, Span)
    assert ours.span == truth.span


@pytest.mark.parametrize("count", [1, _MANY, 3 * _MANY + 1])
def test_an_extent_covers_what_it_was_given(count):
    extent, expected = Extent(), None
    assert extent.span is None
    for ours, truth in outcomes([(1 + i % 3, 2, 2) for i in range(count)], 32, 50):
        extent.add(ours.span, ours.value)
        expected = merge_spans(expected, truth.span)
    assert extent.span == expected
    extent.add(Span(-(10**9), 0, -(10**9), 0), None)
    vector = Vector(measure=True)
    loaded = vector.apply(OPS["transpose"], (load(vector, [[10**8, -4]]), (1, 0)), register(32), "transpose")
    extent.add(OWN_RANGE, loaded.value)
    assert extent.span == merge_spans(expected, Span(-(10**9), 10**8, -(10**9), 10**8))


def exact_span(a, b):
    """By the definition, in Python integers."""
    a, b = a.astype(object), b.astype(object)
    exact = a @ b
    zero = np.zeros(1, object)
    negative = np.maximum(a, zero) @ np.minimum(b, zero) + np.minimum(a, zero) @ np.maximum(b, zero)
    return Span(exact.min(), exact.max(), negative.min(), (exact - negative).max())


@pytest.mark.parametrize("largest", [9, 4000, 1 << 18])
@pytest.mark.parametrize("shape", [(100, 3, 90), (3, 400, 30)])
def test_large_folds_are_left_out_only_where_they_add_nothing(shape, largest):
    """Growing and shrinking operands, by themselves and by one unit, so that every bound holds and fails."""
    (n, k, m), draw = shape, np.random.default_rng(2)
    covered, expected = Extent(), None
    vector = Vector(measure=True)
    a, b = draw.integers(-largest, largest + 1, (n, k)), draw.integers(-largest, largest + 1, (k, m))
    assert n * k + k * m + n * m > LARGE
    for scale, more in [
        (1, 0),
        (2, 0),
        (2, 1),
        (2, 1),
        (2, 2),
        (2, 3),
        (1, 0),
        (4, 0),
        (1, 7),
        (3, 0),
        (4, -1),
        (4, 1),
    ]:
        left, right = a * scale, b.copy()
        right[0, 0] += more
        ours = vector.apply(MAC, (load(vector, left), load(vector, right)), register(48), "mac")
        assert isinstance(ours.span, Terms)
        covered.add(ours.span, ours.value)
        expected = merge_spans(expected, exact_span(left, right))
        assert covered.span == expected


def test_large_sums_are_measured():
    vector, covered = Vector(measure=True), Extent()
    for scale in (1, 2):
        rows = np.resize([scale, -3 * scale], (LARGE, 2))
        ours = vector.apply(SUM, (load(vector, rows), 1), register(32), "sum")
        covered.add(ours.span, ours.value)
    assert covered.span == Span(-4, -2, -6, 2)


def test_outcomes_without_a_range_stay_so():
    outcome = Vector().apply(OPS["load"], ([1],), register(32), "load")
    assert measured(outcome) is None
    empty = Vector(measure=True).apply(MAC, (load(Vector(), [[1]]), load(Vector(), [[]])), register(32), "mac")
    assert empty.span is None


def test_extents_are_compared_by_what_they_cover():
    a, b = Extent(), Extent()
    a.add(Span(1, 2, 0, 3), None)
    assert a != b
    assert a != 1
    b.add(Span(1, 2, 0, 3), None)
    assert a == b
    assert repr(a) == "<Extent Span(lo=1, hi=2, least=0, most=3)>"


def test_who_covers_results_later_is_asked_before_the_span_is_read():
    extent = Extent()
    waiting = [Span(1, 2, 0, 3), None, Span(-4, -4, -4, -4)]

    def settle():
        while waiting:
            extent.cover(waiting.pop())

    extent.behind.add(settle)
    extent.cover(Span(7, 7, 7, 7))
    assert extent.span == Span(-4, 7, -4, 7)
    waiting.append(Span(0, 9, 0, 9))
    extent.behind.discard(settle)
    assert extent.span == Span(-4, 7, -4, 7)


def test_an_extent_is_pickled_and_copied_with_all_that_it_covers():
    extent = Extent()
    assert pickle.loads(pickle.dumps(extent)).span is None
    extent.behind.add(lambda: extent.cover(Span(1, 2, 0, 3)))
    for same in (pickle.loads(pickle.dumps(extent)), copy.deepcopy(extent)):
        assert same == extent
        same.cover(Span(5, 5, 5, 5))
        assert (same.span, extent.span) == (Span(1, 5, 0, 5), Span(1, 2, 0, 3))


def test_large_results_are_looked_at_at_once_and_their_bounds_kept():
    vector = Vector(measure=True)
    a, b = load(vector, np.arange(-5, LARGE)), load(vector, -3)
    outcome = vector.apply(OPS["add"], (a, b), register(32), "add")
    assert outcome.span == Span(-8, LARGE - 4, -8, LARGE - 4)
    assert outcome.value.tight
    few = vector.apply(OPS["add"], (load(vector, np.arange(5)), b), register(32), "add")
    assert (few.span, few.value.tight) == (OWN_RANGE, False)
    assert not Vector().apply(OPS["add"], (a, b), register(32), "add").value.tight


def test_backends_asked_to_measure_do():
    reference, plain, measuring = Reference(), Vector(compiled=False), Vector(measure=True)
    assert reference.measuring() is reference
    assert measuring.measuring() is measuring
    x = load(plain, [1])
    assert plain.measuring().apply(OPS["neg"], (x,), register(8), "x").span is not None
    assert plain.apply(OPS["neg"], (x,), register(8), "x").span is None


def test_settled_turns_terms_into_numbers_and_nothing_else():
    ((ours, truth),) = outcomes([(2, 3, 4)], 48, 9)
    assert settled(ours).span == truth.span
    assert settled(truth) is truth


def test_numbers_of_every_kind_of_value():
    pair = Lockstep(Reference(), Vector())
    for backend in (Reference(), Vector(), pair, Interval()):
        assert load(backend, [[1, -2], [3, 4]]).numbers().tolist() == [[1, -2], [3, 4]]


def reach(outcome):
    numbers = outcome.value.numbers()
    return span_of(outcome.span, numbers)[2:]


FOLDS = {
    "more rows than terms": (90, 3, 7),
    "more terms than rows": (3, 90, 7),
    "images": (5, 64, 9),
    "one": (1, 1, 1),
    "no terms": (3, 0, 2),
    "one column": (6, 5, 1),
}


@pytest.mark.parametrize("largest", [9, 1000, 1 << 20])
@pytest.mark.parametrize("name", FOLDS)
def test_least_and_most_are_those_of_the_definition(name, largest):
    (n, k, m), draw = FOLDS[name], np.random.default_rng(3)
    for least in (-largest, 0, largest // 2):  # sums of both signs, of one, and nearly equal ones
        a, b = draw.integers(least, largest + 1, (n, k)), draw.integers(least, largest + 1, (k, m))
        a[:, : 3 * k // 4] *= name != "images"
        vector = Vector(measure=True)
        for left in (
            load(vector, a),
            vector.apply(OPS["transpose"], (load(vector, a.T), (1, 0)), register(48), "t").value,
        ):
            ours = vector.apply(MAC, (left, load(vector, b)), register(48), "mac")
            assert isinstance(ours.span, Terms)
            assert reach(ours) == exact_span(a, b)[2:]
            assert measured(ours) == exact_span(a, b)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("largest", [9, 1 << 24])
def test_least_and_most_of_sums(axis, largest):
    draw = np.random.default_rng(4)
    x = draw.integers(-largest, largest + 1, (4, 5, 6))
    vector = Vector(measure=True)
    ours = vector.apply(SUM, (load(vector, x), axis), register(48), "sum")
    assert isinstance(ours.span, Terms)
    negative, positive = np.minimum(x, 0).sum(axis), np.maximum(x, 0).sum(axis)
    assert reach(ours) == (negative.min(), positive.max())


@pytest.mark.parametrize("largest", [1 << 13, 1 << 14])
@pytest.mark.parametrize("far", [1 << 13, 1 << 32, -(1 << 32), (1 << 46) + 1])
def test_what_is_known_may_be_far_beyond(far, largest):
    """First a fold that overflows by far, then one that fits, at one site."""
    covered, expected, backend = Extent(), None, Vector(measure=True)
    for x, y in ((far, abs(far)), (largest, largest), (largest, -largest)):
        outcome = backend.apply(MAC, (load(backend, [[x]], 48), load(backend, [[y]], 48)), register(48), "mac")
        covered.add(outcome.span, outcome.value)
        expected = merge_spans(expected, exact_span(np.array([[x]]), np.array([[y]])))
    assert covered.span == expected


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((3, 0), 1), ((2, 0, 4), 1), ((2, 3, 4), 1), ((5,), 0)])
def test_sums_of_nothing_and_of_any_shape(shape, axis):
    x = np.arange(-7, np.prod(shape) - 7).reshape(shape)
    ours = Vector(measure=True).apply(SUM, (load(Vector(), x), axis), register(32), "sum")
    truth = Reference().apply(SUM, (load(Reference(), x), axis), register(32), "sum")
    assert measured(ours) == truth.span


def test_operands_in_any_order_of_axes():
    """Wide and tall ones; transposed images are read as they lie, other transposed operands are copied."""
    draw, turn = np.random.default_rng(6), OPS["transpose"]
    for n, k, m in ((3, 40, 5), (40, 3, 5)):
        a, b = draw.integers(-99, 99, (n, k)), draw.integers(-99, 99, (k, m))
        vector = Vector(measure=True)
        left, right = (
            vector.apply(turn, (load(vector, x.T.copy()), (1, 0)), register(32), "transpose").value for x in (a, b)
        )
        assert not left.data.flags.c_contiguous
        assert measured(vector.apply(MAC, (left, right), register(48), "mac")) == exact_span(a, b)


def test_equal_sums_that_float32_tells_apart_no_more():
    """Among sums that differ by one unit beyond float32, the greatest is found wherever it stands."""
    vector = Vector(measure=True)
    for place in range(40):
        x = np.full((40, 30), (1 << 25) + 1)
        x[place, 7] += 1
        ours = vector.apply(SUM, (load(vector, x), 1), register(48), "sum")
        assert measured(ours) == Span(30 * x[place, 0], 30 * x[place, 0] + 1, 0, 30 * x[place, 0] + 1)


@needs_numba
@pytest.mark.parametrize("slack", [0.0, 1e-5])
def test_what_numba_compiles_finds_the_same_uncompiled(slack):
    """Wide and tall operands: runs of zeros, terms left over by fours, and rows that cannot reach past the others."""
    from pocketnn.arith import compiled_reach

    kernel = (compiled_reach._double if slack else compiled_reach._single).py_func
    wide = np.arange(-30, 30).reshape(5, 12) * np.repeat([1, 0, 2, 0, 1], 12).reshape(5, 12)
    tall = np.arange(-40, 45).reshape(17, 5) * np.repeat([3, 1], [1, 16])[:, None]
    for a, b in ((wide, np.arange(-20, 28).reshape(12, 4)), (tall, np.arange(-7, 8).reshape(5, 3))):
        a, b = a.astype(np.float64), b.astype(np.float64)
        exact, span = a @ b, exact_span(a.astype(int), b.astype(int))
        assert kernel(a, b, exact, 0, 0, slack) == span
        assert kernel(np.asfortranarray(a), b, exact, span.least + 1, span.most + 9, slack)[2:] == (
            span.least,
            span.most + 9,
        )
