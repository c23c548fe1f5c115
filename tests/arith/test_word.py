"""Words, registers and the only narrowing function: examples by hand, then the laws they must obey."""

import ctypes
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import overflows, patterned, values, words

from pocketnn.arith import INT8, INT16, INT32, MAX_BITS, MIN_BITS, Overflow, Register, Role, Word, fit
from pocketnn.errors import UsageError

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE
C_TYPES = {8: ctypes.c_int8, 16: ctypes.c_int16, 32: ctypes.c_int32}
ANY = st.integers() | st.integers(-(1 << 50), 1 << 50)


def test_bounds_of_the_named_words():
    assert (INT8.lo, INT8.hi) == (-128, 127)
    assert (INT16.lo, INT16.hi) == (-32768, 32767)
    assert (INT32.lo, INT32.hi) == (-2147483648, 2147483647)
    assert (Word(MIN_BITS).lo, Word(MIN_BITS).hi) == (-2, 1)
    assert (Word(MAX_BITS).lo, Word(MAX_BITS).hi) == (-(2**47), 2**47 - 1)


@pytest.mark.parametrize("bits", [1, 0, -8, 49, 64, True, 8.0, "8", None])
def test_widths_that_do_not_exist(bits):
    with pytest.raises(UsageError, match=r"word width is .*2 to 48 bits"):
        Word(bits)


def test_words_and_registers_are_values():
    assert Word(8) == INT8
    assert hash(Word(8)) == hash(INT8)
    assert repr(Word(12)) == "Word(bits=12)"
    assert Register(Role.WEIGHT, INT8) == Register(Role.WEIGHT, Word(8), WRAP)
    assert Register(Role.WEIGHT, INT8) != Register(Role.WEIGHT, INT8, SATURATE)
    with pytest.raises(FrozenInstanceError):
        INT8.bits = 9
    with pytest.raises(FrozenInstanceError):
        Register(Role.WEIGHT, INT8).word = INT16


@pytest.mark.parametrize(
    ("lo", "hi", "bits"),
    [
        (0, 0, 1),
        (-1, 0, 1),
        (0, 1, 2),
        (-2, 1, 2),
        (-3, 1, 3),
        (-2, 2, 3),
        (-128, 127, 8),
        (-129, 0, 9),
        (0, 128, 9),
        (5, 9, 5),
        (-9, -5, 5),
        (-8, -5, 4),
        (0, 2**63, 65),
    ],
)
def test_narrowest_format_that_holds_a_range(lo, hi, bits):
    assert Word.holding(lo, hi) == bits


@given(words(), st.data())
def test_holding_is_exactly_enough(word, data):
    lo, hi = sorted((data.draw(values(word)), data.draw(values(word))))
    bits = Word.holding(lo, hi)
    assert bits <= word.bits
    assert -(1 << bits - 1) <= lo <= hi < 1 << bits - 1
    assert bits == 1 or not -(1 << bits - 2) <= lo <= hi < 1 << bits - 2


@pytest.mark.parametrize(
    ("exact", "wrapped", "saturated"),
    [
        (0, 0, 0),
        (127, 127, 127),
        (128, -128, 127),
        (-128, -128, -128),
        (-129, 127, -128),
        (255, -1, 127),
        (256, 0, 127),
        (-256, 0, -128),
        (2147483647, -1, 127),
        (10**30, 0, 127),
    ],
)
def test_fit_into_eight_bits(exact, wrapped, saturated):
    assert fit(exact, INT8, WRAP) == wrapped
    assert fit(exact, INT8, SATURATE) == saturated


@given(ANY, st.sampled_from(sorted(C_TYPES)))
def test_wraparound_is_what_c_compilers_do(exact, bits):
    assert fit(exact, Word(bits), WRAP) == C_TYPES[bits](exact).value


@given(ANY, words(), overflows)
def test_fit_lands_in_the_word_and_is_idempotent(exact, word, overflow):
    stored = fit(exact, word, overflow)
    assert word.lo <= stored <= word.hi
    assert fit(stored, word, overflow) == stored
    assert (stored == exact) == (word.lo <= exact <= word.hi)


@given(ANY, ANY, words())
def test_wraparound_is_a_ring_homomorphism(a, b, word):
    def wrap(x):
        return fit(x, word, WRAP)

    assert wrap(a + b) == wrap(wrap(a) + wrap(b))
    assert wrap(a - b) == wrap(wrap(a) - wrap(b))
    assert wrap(a * b) == wrap(wrap(a) * wrap(b))
    assert wrap(-a) == wrap(-wrap(a))


@given(ANY, ANY, words())
def test_saturation_is_monotone_and_nearest(a, b, word):
    low, high = sorted((a, b))
    assert fit(low, word, SATURATE) <= fit(high, word, SATURATE)
    assert abs(fit(a, word, SATURATE) - a) == max(word.lo - a, 0, a - word.hi)


@given(ANY, words(most=MAX_BITS - 1), overflows)
def test_a_wider_word_keeps_what_a_narrower_one_kept(exact, word, overflow):
    if fit(exact, word, overflow) == exact:
        assert fit(exact, Word(word.bits + 1), overflow) == exact


@pytest.mark.parametrize("bits", [2, 3, 8, 16, 48])
def test_patterned_operands_are_all_there(bits):
    word = Word(bits)
    found = set(patterned(word))
    assert all(word.lo <= value <= word.hi for value in found)
    assert {0, 1, -1, word.lo, word.lo + 1, word.hi, word.hi - 1} <= found
    powers = {1 << i for i in range(bits - 1)}
    assert powers | {p - 1 for p in powers} | {-p for p in powers} | {~p for p in powers} <= found
    assert {p + 1 for p in powers if p + 1 <= word.hi} <= found
    assert {word.hi ^ p for p in powers} <= found
