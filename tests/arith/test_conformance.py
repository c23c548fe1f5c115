"""Every backend through the conformance suite, and Reference through it against an independent oracle."""

import conformance
import numpy as np
import pytest
from conformance import (
    CASES,
    MISFITS,
    check,
    check_misfit,
    check_program,
    exhaustive,
    fold_cases,
    patterned_pairs,
    programs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.arith import INT8, OPS, Native, Overflow, Reference, Register, Role, Vector
from pocketnn.arith.how import HAVE_COMPILED
from pocketnn.arith.native_library import compiler
from pocketnn.errors import DivergenceError

needs_numba = pytest.mark.skipif(not HAVE_COMPILED, reason="numba, the optional extra 'fast', is not installed")
needs_cc = pytest.mark.skipif(compiler() is None, reason="no C compiler; apt-get install gcc libc6-dev")


def vector(measure, compiled):
    return pytest.param(
        lambda: Vector(measure=measure, compiled=compiled),
        id=f"Vector-{'compiled' if compiled else 'numpy'}{'-measured' if measure else ''}",
        marks=[needs_numba] if compiled else [],
    )


BACKENDS = [
    vector(measure=True, compiled=False),
    vector(measure=True, compiled=True),
    vector(measure=False, compiled=False),
    vector(measure=False, compiled=True),
    pytest.param(Native, id="Native", marks=[needs_cc]),
    pytest.param(Reference, id="Reference"),
]
every_backend = pytest.mark.parametrize("factory", BACKENDS)
few = settings(max_examples=30, deadline=None)
many = settings(max_examples=500, deadline=None)


def test_every_op_has_a_strategy():
    assert set(CASES) == set(OPS)


@every_backend
@pytest.mark.parametrize("case", list(exhaustive()), ids=str)
def test_every_narrow_value(factory, case):
    check(factory, case)


@every_backend
@pytest.mark.parametrize("case", list(patterned_pairs()), ids=str)
def test_patterned_pairs(factory, case):
    check(factory, case)


@every_backend
@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
@few
def test_arbitrary_values(factory, op, data):
    check(factory, data.draw(CASES[op]))


@pytest.mark.slow
@every_backend
@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
@many
def test_many_arbitrary_values(factory, op, data):
    check(factory, data.draw(CASES[op]))


@every_backend
@pytest.mark.parametrize("op", ["mac", "sum"])
@given(data=st.data())
@few
def test_folds_in_which_few_elements_overflow(factory, op, data):
    check(factory, data.draw(fold_cases(op)))


@pytest.mark.slow
@every_backend
@pytest.mark.parametrize("op", ["mac", "sum"])
@given(data=st.data())
@many
def test_many_folds_in_which_few_elements_overflow(factory, op, data):
    check(factory, data.draw(fold_cases(op)))


@every_backend
@given(program=programs())
@settings(max_examples=100, deadline=None)
def test_ops_on_results_of_ops(factory, program):
    check_program(factory, program)


@pytest.mark.slow
@every_backend
@given(program=programs())
@settings(max_examples=2000, deadline=None)
def test_many_ops_on_results_of_ops(factory, program):
    check_program(factory, program)


@every_backend
@pytest.mark.parametrize("misfit", MISFITS, ids=lambda m: f"{m[0]}-{m[1]}".replace(" ", ""))
def test_operands_that_do_not_go_together(factory, misfit):
    assert check_misfit(factory(), misfit) == check_misfit(Reference(), misfit)


def test_the_suite_catches_a_changed_operand():
    class Overwriting(Reference):
        def apply(self, op, args, to, site):
            outcome = super().apply(op, args, to, site)
            if op.name == "neg":
                object.__setattr__(args[0], "items", outcome.value.items)
            return outcome

    case = conformance.Case("neg", ((np.array([1, 2]), INT8),), Register(Role.DELTA, INT8, Overflow.WRAP))
    with pytest.raises(AssertionError, match="neg changed its operand 0"):
        check(Overwriting, case)


def test_the_suite_catches_a_wrong_flag():
    class Forgetful(Reference):
        def apply(self, op, args, to, site):
            outcome = super().apply(op, args, to, site)
            return outcome._replace(flags=outcome.flags._replace(events=0))

    case = conformance.Case("neg", ((np.array([1, -128]), INT8),), Register(Role.DELTA, INT8, Overflow.WRAP))
    with pytest.raises(DivergenceError, match="events=1"):
        check(Forgetful, case)
