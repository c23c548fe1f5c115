"""Random numbers and initial values."""

import ctypes
import ctypes.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketnn.errors import UsageError
from pocketnn.init import Rand, init_limit


def test_first_outputs_of_seed_1():
    rand = Rand(1)
    assert [rand.draw() for _ in range(5)] == [1804289383, 846930886, 1681692777, 1714636915, 1957747793]


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31 - 1])
def test_equals_the_c_library(seed):
    name = ctypes.util.find_library("c")
    libc = ctypes.CDLL(name) if name else None
    if libc is None or not hasattr(libc, "gnu_get_libc_version"):
        pytest.skip("the C library is not glibc")
    libc.srand(seed)
    rand = Rand(seed)
    assert [rand.draw() for _ in range(2000)] == [libc.rand() for _ in range(2000)]


def test_seed_0_counts_as_1():
    assert Rand(0).draw() == Rand(1).draw()


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seed_out_of_range(seed):
    with pytest.raises(UsageError, match=str(seed)):
        Rand(seed)


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(0, 1000))
def test_uniform_stays_in_range(lo, width, seed):
    rand = Rand(seed)
    assert all(lo <= rand.uniform(lo, lo + width) <= lo + width for _ in range(20))


def test_nonzero_draws_row_by_row_and_never_zero():
    rand, same = Rand(3), Rand(3)
    matrix = rand.nonzero(2, 4, 5)
    flat = []
    while len(flat) < 20:
        value = same.draw() % 5 - 2
        if value:
            flat.append(value)
    assert [value for row in matrix for value in row] == flat
    assert 0 not in flat


def test_nonzero_needs_room():
    with pytest.raises(UsageError, match="too wide"):
        Rand().nonzero(0, 1, 1)


def test_shuffle_is_a_permutation_in_the_stated_order():
    items, rand, same = list(range(10)), Rand(5), Rand(5)
    rand.shuffle(items)
    expected = list(range(10))
    for i in range(9, 0, -1):
        j = same.draw() % (i + 1)
        expected[i], expected[j] = expected[j], expected[i]
    assert items == expected
    assert sorted(items) == list(range(10))


def test_init_limit_truncates_inside_and_outside():
    # 12 * 32767 = 393204; / 884 = 444 (444.8); root 21.07
    assert init_limit(784, 100) == 21
    assert init_limit(100, 50) == 51
