"""Arguments are checked where they enter: understood, or refused in one line that says what to do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pocketnn
from pocketnn.arith import (
    OPS,
    Backend,
    Interval,
    Lockstep,
    Native,
    Overflow,
    Ranges,
    Reference,
    Register,
    Role,
    Tensor,
    Vector,
    Word,
)
from pocketnn.arith.native_library import compiler
from pocketnn.audit import Target, assert_no_overflow, live_audit
from pocketnn.errors import PocketNNError, UsageError
from pocketnn.machine import Machine, Widths

BACKENDS = {
    "vector": Vector,
    "reference": Reference,
    "lockstep": lambda: Lockstep(Reference(), Vector(True)),
    "native": Native,
    "interval": Interval,
}
if compiler() is None:
    del BACKENDS["native"]
every_backend = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
ROLES = [role for role in Role if role is not Role.HOST]


def one_line(caught, *words):
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# --- modes, roles, words -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [Vector, Reference])
@pytest.mark.parametrize(("mode", "stored"), [("wrap", 44), ("saturate", 127)])
def test_a_mode_may_be_text(backend, mode, stored):
    assert Machine(backend(), Widths(Word(8)), mode).load(300, Role.INPUT).ints() == stored
    assert Machine(backend(), Widths(Word(8)), Overflow(mode)).load(300, Role.INPUT).ints() == stored


@given(st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans(), st.lists(st.integers(), max_size=2)))
@settings(deadline=None)
def test_any_other_mode_is_refused_wherever_it_enters(mode):
    if mode in ("wrap", "saturate"):
        return
    for enter in (
        lambda: Machine(overflow=mode),
        lambda: Register(Role.INPUT, Word(8), mode),
        lambda: Target(Widths(), mode),
        lambda: live_audit(overflow=mode).__enter__(),
        lambda: assert_no_overflow(lambda m: None, overflow=mode),
        lambda: pocketnn.audit(overflow=mode).__enter__(),
    ):
        with pytest.raises(UsageError) as caught:
            enter()
        one_line(caught, "overflow is", "'wrap' and 'saturate'")


def test_words_may_be_bits_and_roles_names():
    assert Widths(16) == Widths(Word(16)) == Widths.of(16) == Widths.of("16") == Widths.of(Word(16))
    mixed = Widths(8, {"accumulator": 16, Role.LOSS: Word(24)})
    assert mixed == Widths.parse("8+accumulator=16+loss=24") == Widths.of(mixed)
    assert str(mixed) == "8+accumulator=16+loss=24"
    assert Register("input", 16, "saturate") == Register(Role.INPUT, Word(16), Overflow.SATURATE)
    assert Target("8+loss=16", "wrap") == Target(Widths(8, {Role.LOSS: 16}), Overflow.WRAP)
    assert str(Machine(widths="8+loss=16").widths) == "8+loss=16"
    assert Machine(widths=16).register(Role.BIAS) == Register(Role.BIAS, Word(16))
    assert Widths.of("8+loss=16", 24) == Widths(8, {"loss": 16, "accumulator": 24})


@pytest.mark.parametrize("wrong", [0, 1, 49, "16", 16.0, True, None, [16], (8, 16), np.int64(16)], ids=repr)
def test_any_other_word_is_refused_when_it_is_given(wrong):
    for enter in (lambda: Widths(wrong), lambda: Widths(16, {Role.LOSS: wrong}), lambda: Register(Role.LOSS, wrong)):
        with pytest.raises(UsageError) as caught:
            enter()
        one_line(caught, repr(wrong))


@pytest.mark.parametrize("wrong", ["sixteen", "16+", "16+inputs=8", "16+loss", "16+loss=1", "", 49, [8], {"loss": 8}])
def test_other_widths_are_refused_when_they_are_given(wrong):
    for enter in (
        lambda: Machine(widths=wrong),
        lambda: Target(wrong, Overflow.WRAP),
        lambda: assert_no_overflow(lambda m: None, wrong),
    ):
        with pytest.raises(UsageError) as caught:
            enter()
        one_line(caught)


@pytest.mark.parametrize("wrong", [{"inputs": 8}, {Role.HOST: 8}, [Role.LOSS], "loss", 8], ids=repr)
def test_other_roles_of_widths_are_refused(wrong):
    with pytest.raises(UsageError) as caught:
        Widths(16, wrong)
    one_line(caught)


def test_widths_have_a_word_for_every_role_and_no_other():
    widths = Widths(8, {"loss": 16})
    assert [widths[role].bits for role in ("loss", Role.LOSS, "input", Role.HOST, "host")] == [16, 16, 8, 48, 48]
    with pytest.raises(UsageError, match="role is 'inputs'"):
        widths["inputs"]


def test_a_gate_for_mixed_widths():
    def program(m):
        x = m.load([30000], Role.LOSS)
        m.add(x, x, to=Role.LOSS)

    assert_no_overflow(program, "16+loss=32")
    with pytest.raises(AssertionError, match="add"):
        assert_no_overflow(program, "32+loss=16")


@pytest.mark.parametrize("wrong", [16, "vector", Vector, Widths(16)], ids=["int", "text", "class", "widths"])
def test_a_backend_is_one(wrong):
    for enter in (lambda: Machine(wrong), lambda: Machine().over(wrong)):
        with pytest.raises(UsageError) as caught:
            enter()
        one_line(caught, "backend is")


@pytest.mark.parametrize("wrong", ["t.pnt", None, Vector()], ids=["path", "none", "backend"])
def test_what_is_recorded_is_a_machine(tmp_path, wrong):
    with pytest.raises(UsageError, match="the machine comes first"), pocketnn.record(wrong, tmp_path / "t.pnt"):
        pass
    assert not list(tmp_path.iterdir())


# --- operands ----------------------------------------------------------------------------------------------


def operands_of(m, op):
    """Good operands and parameters of an op."""
    x = m.load([[1, -7], [3, 4]], Role.INPUT, at="x")
    if op == "clamp":
        return [x, m.constant(-2, "lo"), m.constant(3, "hi")], []
    if op == "select":
        return [x, m.constant([0, 4], "below"), m.constant([7, 8, 9], "choices")], []
    params = {"sum": [1], "gather": [Tensor((2,), (1, -1))], "transpose": [(1, 0)], "reshape": [(4,)]}
    return [x] * OPS[op].arity, params.get(op, [])


WRONG = {
    "int": 3,
    "float": 0.5,
    "list": [[1, 2], [3, 4]],
    "array": np.ones((2, 2), int),
    "text": "x",
    "none": None,
    "tensor": Tensor((2, 2), (1, 2, 3, 4)),
    "machine": Machine(),
}
OTHERS = [op for op in OPS if op != "load"]


@every_backend
@pytest.mark.parametrize("op", OTHERS)
@pytest.mark.parametrize("before", [False, True], ids=["first", "again"])
def test_what_is_no_value_is_refused_with_what_to_do(backend, op, before):
    for wrong in WRONG.values():
        for position in range(OPS[op].arity):
            m = Machine(backend(), 16)
            operands, params = operands_of(m, op)
            if before:  # the site has run, so only the failure is looked at
                getattr(m, op)(*operands, *params)
            operands[position] = wrong
            with pytest.raises(UsageError) as caught:
                getattr(m, op)(*operands, *params)
            one_line(caught, op, "m.load", "m.constant", type(wrong).__name__)


def foreign(kind):
    """A value that another machine made."""
    m = Machine(BACKENDS[kind](), 16)
    return m.load(Ranges((2, 2), 1, 2) if kind == "interval" else [[1, 2], [3, 4]], Role.INPUT)


@pytest.mark.parametrize("theirs", BACKENDS)
@pytest.mark.parametrize("ours", BACKENDS)
@pytest.mark.parametrize("before", [False, True], ids=["first", "again"])
def test_values_of_another_kind_of_machine_are_refused(ours, theirs, before):
    if ours == theirs:
        return
    for op in OTHERS:
        m = Machine(BACKENDS[ours](), 16)
        operands, params = operands_of(m, op)
        if before:
            getattr(m, op)(*operands, *params)
        for position in range(OPS[op].arity):
            changed = [*operands]
            changed[position] = foreign(theirs)
            with pytest.raises(UsageError) as caught:
                getattr(m, op)(*changed, *params)
            one_line(caught, op, "another machine", "m.load(value.ints(), role)")


@pytest.mark.parametrize("backend", [BACKENDS[name] for name in BACKENDS if name not in ("lockstep", "interval")])
@pytest.mark.parametrize("op", OTHERS)
def test_numbers_that_no_register_holds_are_of_another_machine(backend, op):
    wide, narrow = Machine(backend(), 32), Machine(backend(), Widths(8, {Role.LOSS: 12}))
    operands, params = operands_of(narrow, op)
    operands[0] = wide.load([[1, 2048], [3, 4]], Role.INPUT)
    with pytest.raises(UsageError) as caught:
        getattr(narrow, op)(*operands, *params)
    one_line(caught, "2048", "another machine", "12 bits")
    operands[0] = wide.load([[1, 2047], [3, 4]], Role.INPUT)
    getattr(narrow, op)(*operands, *params)


def test_values_from_before_a_recording_are_this_machines(tmp_path):
    m = Machine(widths=16)
    x = m.load([[1, 2]], Role.INPUT)
    with pocketnn.record(m, tmp_path / "t.pnt") as r:
        y = r.add(x, x)
        assert y.ints().tolist() == [[2, 4]]
        with pytest.raises(UsageError, match=r"m\.load"):
            r.add(y, 3)
        with pytest.raises(UsageError, match=r"m\.load"):
            r.max(y, np.ones((1, 2), int))
        with pytest.raises(UsageError, match="another machine"):
            r.add(y, Machine(Reference(), 16).load([[1, 2]], Role.INPUT))


def test_a_live_audit_refuses_too():
    with live_audit(16) as audit:
        m = audit.machine
        x = m.load([[1, 2]], Role.INPUT)
        for wrong in (3, [[1, 2]], np.ones((1, 2), int)):
            with pytest.raises(UsageError, match=r"m\.load"):
                m.add(x, wrong)
        with pytest.raises(UsageError, match="another machine"):
            m.add(x, Machine(widths=16).load([[1, 2]], Role.INPUT))


# --- roles, names, parameters ------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("wrong", ["inputs", "Input", 16, None, ["input"], Word(8)], ids=repr)
def test_a_role_that_does_not_exist_is_refused(backend, wrong):
    m = Machine(backend(), 16)
    x = m.load([1], Role.INPUT)
    for enter in (lambda: m.load([1], wrong), lambda: m.add(x, x, to=wrong), lambda: m.register(wrong)):
        with pytest.raises(UsageError) as caught:
            enter()
        one_line(caught, "role is", "input, weight")


def test_a_role_may_be_its_name():
    m = Machine(widths=16)
    x = m.load([1], "input")
    m.add(x, x, to="loss")
    assert [type(site.register.role) for site in m.ledger] == [Role, Role]
    assert [site.register.role for site in m.ledger] == [Role.INPUT, Role.LOSS]


@pytest.mark.parametrize("wrong", [3, None, ["add"]], ids=repr)
def test_a_site_is_named_by_text(wrong):
    m = Machine()
    x = m.load([1], Role.INPUT)
    with pytest.raises(UsageError) as caught:
        m.add(x, x, at=wrong)
    one_line(caught, "at is", "text")


@every_backend
def test_an_index_table_may_be_nested_integers(backend, tmp_path):
    m = Machine(backend(), 16)
    x = m.load([[5, 6, 7]], Role.INPUT)
    for indices, shape, items in (
        ([2, -1], (2,), (2, -1)),
        ((0,), (1,), (0,)),
        ([[0, 1], [2, -1]], (2, 2), (0, 1, 2, -1)),
        (np.array([[2], [1]], np.uint8), (2, 1), (2, 1)),
        (1, (), (1,)),
    ):
        assert np.array_equal(m.gather(x, indices).ints(), m.gather(x, Tensor(shape, items)).ints())
    for wrong in ([0.5], "01", [[0], [1, 2]], None, x if backend is not Reference else "x", [3]):
        with pytest.raises(PocketNNError) as caught:
            m.gather(x, wrong)
        one_line(caught)


def test_parameters_are_whole_numbers(tmp_path):
    m = Machine(widths=16)
    with pocketnn.record(m, tmp_path / "t.pnt") as r:  # which writes them down
        x = r.load([[5, 6, 7]], Role.INPUT)
        assert r.gather(x, np.array([0, 2])).shape == (1, 2)
        assert r.sum(x, np.int64(1)).shape == (1, 1)
        assert r.reshape(x, [np.int64(3), 1]).shape == (3, 1)
        assert r.transpose(x, np.array([1, 0])).shape == (3, 1)
        for wrong in (4, None, [1.0], "ab"):
            with pytest.raises(UsageError) as caught:
                r.reshape(x, wrong)
            one_line(caught, "shape is")
            with pytest.raises(UsageError):
                r.transpose(x, wrong)
        for wrong in (1.0, None, "1"):
            with pytest.raises(UsageError) as caught:
                r.sum(x, wrong)
            one_line(caught, "axis is")


def test_what_is_scored_are_values_of_the_machine():
    m = Machine()
    with pytest.raises(UsageError, match=r"m\.load"):
        m.score([1, 2], [1, 2])


def test_a_fault_of_the_backend_is_not_explained_away():
    class Broken(Backend):
        def apply(self, op, args, to, site):
            raise AttributeError("a bug of its own")

    with pytest.raises(AttributeError, match="a bug of its own"):
        Machine(Broken()).load([1], Role.INPUT)
