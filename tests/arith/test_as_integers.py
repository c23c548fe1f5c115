"""What comes from outside must be whole numbers; everything else is a DataError, and nothing is ever rounded."""

import fractions
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketnn.arith import OPS, Reference, Register, Role, Vector, Word, as_integers
from pocketnn.errors import DataError


def nested(depth):
    """A single 1 in so many lists."""
    return [nested(depth - 1)] if depth else 1


def circular():
    """A list whose only item is itself."""
    rows = []
    rows.append(rows)
    return rows


@pytest.mark.parametrize(
    ("outside", "shape", "items"),
    [
        (5, (), [5]),
        ([1, 2, 3], (3,), [1, 2, 3]),
        ((1, 2), (2,), [1, 2]),
        (range(3), (3,), [0, 1, 2]),
        ([[1, 2], [3, 4]], (2, 2), [1, 2, 3, 4]),
        (np.int16(-7), (), [-7]),
        (np.array([[-1], [255]], np.int16), (2, 1), [-1, 255]),
        ([np.int8(-1), np.uint64(2**63)], (2,), [-1, 2**63]),
        (2**63 - 1, (), [2**63 - 1]),
        (-(2**63), (), [-(2**63)]),
        (2**63, (), [2**63]),
        ([2**63, -1], (2,), [2**63, -1]),
        ([2**64 - 1, 2**63], (2,), [2**64 - 1, 2**63]),
        ([2**64, 0], (2,), [2**64, 0]),
        ([-(2**63) - 1, 2**200], (2,), [-(2**63) - 1, 2**200]),
        (np.array([2**64 - 1], np.uint64), (1,), [2**64 - 1]),
        (np.array([1, 2], ">i4"), (2,), [1, 2]),
        (np.array([[2**63 + 5, 7]], ">u8"), (1, 2), [2**63 + 5, 7]),
        ([], (0,), []),
        ([[], []], (2, 0), []),
        (np.zeros((0, 3)), (0, 3), []),
        (np.zeros((0, 3), object), (0, 3), []),
    ],
    ids=lambda x: repr(x)[:40],
)
def test_whole_numbers(outside, shape, items):
    array = as_integers(outside)
    assert array.shape == shape
    assert array.dtype.kind in "iuO"
    assert array.dtype.isnative
    assert [int(item) for item in array.flat] == items


@pytest.mark.parametrize(
    "outside",
    [
        1.5,
        1.0,
        [1, 2.0],
        [2**64, 1.0],
        [10**400, 1.0],
        math.nan,
        [1, math.nan],
        [math.inf],
        np.array([1.0, 2.0]),
        np.array([1.0], np.float32),
        np.float64(3),
        np.array([1, 2.0], object),
        1j,
        True,
        [True, False],
        [1, True],
        [[1, 2], [3, False]],
        [1, np.True_],
        np.array([True]),
        np.array([1, True], object),
        "12",
        ["1", "2"],
        [1, "2"],
        b"12",
        None,
        [1, None],
        {1: 2},
        {1, 2},
        ...,
        fractions.Fraction(4, 2),
        [[1, 2], [3]],
        [1, [2]],
        [[1, 2], 3],
        np.array([[1], 2], object),
        [np.zeros((2, 3), int), np.zeros((2, 4), int)],
        [np.zeros(2, int), np.zeros((2, 2), int)],
        [[[1, 2], [3, 4]], [[1, 2, 3], [4, 5, 6]]],
        np.array(["2024-01-01"], "M8[D]"),
        np.array([1], "m8[s]"),
        np.array([(1, 2)], [("a", int), ("b", int)]),
        nested(33),  # more axes than NumPy iterates over
        nested(65),  # and more than it has
        circular(),
    ],
    ids=lambda x: repr(x)[:40],
)
def test_everything_else(outside):
    with pytest.raises(DataError):
        as_integers(outside)


def test_a_subclass_of_array_comes_in_as_an_array():
    """np.matrix would stay two-dimensional through every later op."""
    array = as_integers(np.array([[1, 2]]).view(np.matrix))
    assert type(array) is np.ndarray


def test_messages_say_what_was_found():
    with pytest.raises(DataError, match=r"2\.5 \(float\) where an integer belongs"):
        as_integers([1, 2.5])
    with pytest.raises(DataError, match=r"1\.5.*dtype float64.*quantise explicitly"):
        as_integers(np.array([1.5]))
    with pytest.raises(DataError, match="rows of different lengths"):
        as_integers([[1], [2, 3]])


@pytest.mark.parametrize("backend", [Reference, Vector])
def test_load_raises_the_same_error(backend):
    with pytest.raises(DataError):
        backend().apply(OPS["load"], ([0.5],), Register(Role.INPUT, Word(8)), "load")


@given(st.lists(st.integers() | st.integers(-(2**64), 2**64)))
def test_no_integer_is_changed(items):
    assert [int(item) for item in as_integers(items).flat] == items


def test_an_object_array_holds_python_integers():
    """NumPy's own integers would wrap silently where pocketnn counts on unbounded ones."""
    array = as_integers(np.array([np.int64(2**63 - 1), 2**70, np.uint8(255)], object))
    assert [type(item) for item in array] == [int, int, int]
