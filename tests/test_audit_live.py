"""Audits of code of one's own, and single planted overflows among millions of results."""

import random

import numpy as np
import pytest
from tiny import blobs

import pocketnn
from pocketnn.arith import Overflow, Role, Word
from pocketnn.audit import Target, Training, Verdict, assert_no_overflow, audit_source, live_audit
from pocketnn.errors import UsageError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe


def program(m):
    a = m.load([[100, 100, -100]], Role.INPUT)
    b = m.load([[1], [1], [1]], Role.WEIGHT, at="weights")
    return m.add(m.mac(a, b, at="dot"), a, at="more")


def test_as_a_context_manager():
    with pocketnn.audit(word=8) as audit:
        result = program(audit.machine)
    assert result.ints().tolist() == [[-56, -56, 0]]  # what the 8-bit machine computes
    verdicts = {site.site: (site.cells[0].verdict, site.bits) for site in audit.report.sites}
    assert verdicts == {
        "load": (Verdict.SAFE, 8),
        "weights": (Verdict.SAFE, 2),
        "dot": (Verdict.TRANSIENT, 9),
        "more": (Verdict.CORRUPTED, 9),
    }
    assert audit.overflowed
    assert str(audit).endswith("8 wrap: OVERFLOWS")


def test_a_wide_machine_is_clean():
    with pocketnn.audit(word=8, accumulator=9, overflow="saturate") as audit:
        program(audit.machine)
    assert not audit.overflowed
    assert str(audit).endswith("8+accumulator=9 saturate: no overflow")


def test_it_says_the_same_as_an_audit_by_two_runs():
    recipe = Recipe((5,), epochs=1, batch=5, lr_inv=50)
    with live_audit(word=10) as audit:
        Training(blobs(60), recipe).run(audit.machine)
    target = Target(Widths(Word(10)), Overflow.WRAP)
    machine = Machine(None, target.widths)
    Training(blobs(60), recipe).run(machine)
    assert audit.machine.ledger.flags == machine.ledger.flags
    assert audit.machine.ledger.left == machine.ledger.left
    expected = audit_source(Training(blobs(60), recipe), [target], (10,))
    assert [(s.site, s.span, s.cells[0]) for s in audit.report.sites] == [
        (s.site, s.span, s.cells[0]) for s in expected.sites
    ]


def test_what_does_not_exist():
    with pytest.raises(UsageError, match="'clip'; there are 'wrap' and 'saturate'"), pocketnn.audit(overflow="clip"):
        pass
    with pytest.raises(AttributeError, match="nothing"):
        pocketnn.nothing  # noqa: B018


def test_assert_no_overflow():
    assert_no_overflow(program, word=9)
    with pytest.raises(AssertionError, match=r"more\[0, 0\] k=0|dot\[0, 0\] k=1"):
        assert_no_overflow(program, word=8)
    with pytest.raises(AssertionError, match="nothing ran on the machine"):
        assert_no_overflow(lambda m: None)


@pytest.mark.parametrize("trials", [12, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("overflow", list(Overflow))
def test_a_single_overflow_among_a_million_is_found_located_and_counted(overflow, trials):
    """Random places in each mode: by element-wise addition, or by a matrix product."""
    rng = random.Random(f"planted {overflow}")
    quiet = np.zeros((1000, 1000), np.int16)
    ones = np.ones((8, 1000), np.int32)
    for trial in range(trials):
        row, column = rng.randrange(1000), rng.randrange(1000)
        sign, bits = rng.choice((-1, 1)), rng.randint(8, 24)
        word = Word(bits)
        bound = word.hi if sign > 0 else word.lo  # one step further does not fit
        m = Machine(None, Widths(word), overflow)
        if trial % 2:
            at_bound = quiet.astype(np.int32)
            at_bound[row, column] = bound
            one = quiet.copy()
            one[row, column] = sign
            m.add(m.load(at_bound, Role.INPUT, "a"), m.load(one, Role.INPUT, "b"), at="site")
        else:
            left = np.zeros((1000, 8), np.int32)
            left[row] = [bound, sign, 0, 0, 0, 0, 0, 0]
            right = np.zeros((8, 1000), np.int32)
            right[:, column] = ones[:, column]
            m.mac(m.load(left, Role.INPUT, "a"), m.load(right, Role.WEIGHT, "b"), at="site")
        flags = m.ledger.flags
        assert (flags.events, flags.elements, flags.corrupted) == (1, 1, 1), (trial, row, column, bits)
        first = m.ledger.first
        assert (first.site, first.element, first.narrowing.exact) == ("site", (row, column), bound + sign)
