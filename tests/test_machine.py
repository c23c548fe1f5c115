"""Machine: site names, the ledger, witnesses checked by hand, traps, widths, and the same errors on every backend."""

import numpy as np
import pytest
from conformance import MISFITS
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import arrays, overflows, words

from pocketnn.arith import (
    CLEAN,
    INT8,
    INT16,
    INT32,
    OPS,
    Flags,
    Interval,
    Lockstep,
    Narrowing,
    Overflow,
    Ranges,
    Reference,
    Register,
    Role,
    Span,
    Tensor,
    Vector,
    Word,
    plain,
)
from pocketnn.errors import DataError, OverflowTrap, ShapeError, UsageError
from pocketnn.ledger import labels
from pocketnn.machine import Clock, Ledger, Machine, Site, SiteKey, Widths, Witness

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE
either_backend = pytest.mark.parametrize("backend", [Reference, Vector, lambda: Lockstep(Reference(), Vector(True))])


def machine(bits=8, overflow=WRAP, backend=Reference, trap=False, **roles):
    """A machine of one width, but for the roles named."""
    named = {Role(role): Word(width) for role, width in roles.items()}
    return Machine(backend(), Widths(Word(bits), named), overflow, trap)


def ints(value):
    return value.ints().tolist()


# --- ops ---------------------------------------------------------------------------------------------------


@either_backend
def test_every_op_has_a_method(backend):
    m = machine(16, backend=backend)
    a, b = m.load([[1, -7], [3, 4]], Role.INPUT), m.load([[2, 2], [-1, 3]], Role.INPUT)
    results = {
        "add": m.add(a, b),
        "sub": m.sub(a, b),
        "neg": m.neg(a),
        "mul": m.mul(a, b),
        "div": m.div(a, b),
        "mac": m.mac(a, b),
        "sum": m.sum(a, 1),
        "clamp": m.clamp(a, m.constant(-2, "lo"), m.constant(3, "hi")),
        "select": m.select(a, m.constant([0, 4], "below"), m.constant([7, 8, 9], "choices")),
        "max": m.max(a, b),
        "isqrt": m.isqrt(a),
        "gather": m.gather(a, Tensor((3,), (1, -1, 0))),
        "transpose": m.transpose(a, (1, 0)),
        "reshape": m.reshape(a, (4,)),
        "argmax": m.argmax(a),
    }
    assert {name: ints(value) for name, value in results.items()} == {
        "add": [[3, -5], [2, 7]],
        "sub": [[-1, -9], [4, 1]],
        "neg": [[-1, 7], [-3, -4]],
        "mul": [[2, -14], [-3, 12]],
        "div": [[0, -3], [-3, 1]],
        "mac": [[9, -19], [2, 18]],
        "sum": [[-6], [7]],
        "clamp": [[1, -2], [3, 3]],
        "select": [[8, 7], [8, 9]],
        "max": [[2, 2], [3, 4]],
        "isqrt": [[1, 0], [1, 2]],
        "gather": [[-7, 0, 1], [4, 0, 3]],
        "transpose": [[1, 3], [-7, 4]],
        "reshape": [1, -7, 3, 4],
        "argmax": [0, 1],
    }
    assert set(results) | {"load"} == set(OPS)
    sites = {site.name: site for site in m.ledger}
    for name in OPS:
        assert (sites[name].op, sites[name].register.role) == (name, Role.INPUT if name == "load" else Role.ACCUMULATOR)
    assert not m.ledger.overflowed
    assert m.ledger.flags == CLEAN


def test_default_machine_is_32_bits_wrapping_on_vector():
    m = Machine()
    assert isinstance(m.backend, Vector)
    assert m.register(Role.WEIGHT) == Register(Role.WEIGHT, INT32, WRAP)
    assert ints(m.load(2**31, Role.INPUT)) == -(2**31)


def test_load_refuses_what_is_not_an_integer():
    m = machine()
    with pytest.raises(DataError):
        m.load(0.5, Role.INPUT)
    with pytest.raises(DataError):
        m.constant("7", "seven")


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda m: f"{m[0]}-{m[1]}".replace(" ", ""))
def test_operands_that_do_not_go_together(misfit):
    op, shapes, params = misfit
    messages = []
    for backend in (Reference, Vector):
        m = machine(backend=backend)
        operands = [m.load(np.ones(shape, int), Role.INPUT) for shape in shapes]
        with pytest.raises(ShapeError) as caught:
            getattr(m, op)(*operands, *params)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] != ""


# --- widths and roles --------------------------------------------------------------------------------------


def test_each_role_has_its_own_word():
    widths = Widths(INT16, {Role.ACCUMULATOR: INT32, Role.UPDATE: INT8})
    assert widths[Role.ACCUMULATOR] == INT32
    assert widths[Role.UPDATE] == INT8
    assert widths[Role.WEIGHT] == INT16
    assert str(widths) == "16+accumulator=32+update=8"
    assert str(Widths()) == "32"
    assert Widths.parse(str(widths)) == widths
    assert Widths.parse("32") == Widths()
    m = Machine(Reference(), widths, SATURATE)
    for role in Role:
        assert m.register(role) == Register(role, widths[role], SATURATE)


@pytest.mark.parametrize(
    "text", ["", "x", "16+", "16+loss", "16+loss=", "16+weights=8", "1", "16+loss=49", "9+loss=8+"]
)
def test_widths_that_are_none(text):
    with pytest.raises(UsageError):
        Widths.parse(text)


def test_results_go_into_the_register_of_their_role():
    m = machine(8, accumulator=16)
    x = m.load([100], Role.INPUT)
    assert ints(m.add(x, x)) == [200]
    assert ints(m.add(x, x, Role.ACTIVATION, at="narrow")) == [-56]
    assert ints(m.constant(200, "constant")) == -56
    assert m.ledger["constant"].register == m.register(Role.CONSTANT)


def test_the_overflow_mode_is_the_machines():
    m = machine(overflow=SATURATE)
    assert ints(m.add(m.load([100, -100], Role.INPUT), m.constant([100, -100], "c"))) == [127, -128]


# --- sites and the ledger ----------------------------------------------------------------------------------


def test_sites_are_named_by_scope_in_the_order_in_which_they_first_ran():
    m = machine(16)
    inner = m.scope("fc1").scope("forward")
    x = m.load([[1, 2]], Role.INPUT, at="x")
    y = inner.mac(x, inner.transpose(x, (1, 0)))
    m.scope("fc2").add(y, y, at="bias")
    inner.mac(x, inner.transpose(x, (1, 0)))
    m.neg(x)
    assert [site.name for site in m.ledger] == ["x", "fc1.forward.transpose", "fc1.forward.mac", "fc2.bias", "neg"]
    assert [site.key for site in m.ledger] == list(m.ledger.sites)


def test_ops_of_two_kinds_under_one_name_are_two_sites():
    m = Machine(Reference(), Widths(Word(16), {Role.LOSS: INT32}))
    x = m.load([30000], Role.INPUT)
    m.add(x, x, Role.LOSS, at="s")
    m.scope("deep").add(x, x, at="s")
    m.add(x, x, at="s")
    m.mul(x, m.load([1], Role.WEIGHT), at="s")
    m.add(x, x, Role.LOSS, at="s")
    assert {(str(site.key), site.calls, site.flags.events) for site in m.ledger} == {
        ("load (load, input)", 1, 0),
        ("load (load, weight)", 1, 0),
        ("s (add, loss)", 2, 0),
        ("deep.s (add, accumulator)", 1, 1),
        ("s (add, accumulator)", 1, 1),
        ("s (mul, accumulator)", 1, 0),
    }
    assert m.ledger.sites[m.ledger.first.key] is m.ledger["deep.s"]
    assert m.ledger.left[0] == SiteKey("deep.s", "add", Role.ACCUMULATOR)


def test_a_name_that_is_no_single_site_is_refused():
    m = machine()
    with pytest.raises(UsageError, match=r"no site 'x' ran on this machine; there are none"):
        m.ledger["x"]
    for i in range(10):
        m.load(i, Role.INPUT, at=f"x{i}")
    m.load(1, Role.WEIGHT, at="x1")
    with pytest.raises(UsageError, match=r"site 'x1' is 2 sites \(load into input, load into weight\)"):
        m.ledger["x1"]
    with pytest.raises(UsageError, match=r"no site 'y' .*'x7', 2 more"):
        m.ledger["y"]


def test_sites_are_found_by_name_too():
    m = machine()
    m.load(1, Role.INPUT, at="x")
    (key,) = m.ledger.sites
    assert m.ledger.sites["x"] is m.ledger.sites[key] is m.ledger["x"]
    with pytest.raises(UsageError, match="no site 'y' ran"):
        m.ledger.sites["y"]
    with pytest.raises(KeyError):
        m.ledger.sites[3]


def test_labels_are_names_where_these_suffice():
    keys = [SiteKey("a", "add", Role.LOSS), SiteKey("b", "add", Role.LOSS), SiteKey("a", "mul", Role.LOSS)]
    assert list(labels(keys).values()) == ["a (add, loss)", "b", "a (mul, loss)"]


def test_a_scope_shares_everything_but_its_name():
    m = machine()
    inner = m.scope("fc1")
    assert (inner.ledger, inner.clock, inner.backend) == (m.ledger, m.clock, m.backend)
    assert inner.register(Role.BIAS) is m.register(Role.BIAS)
    twice = m.scope("fc1")
    inner.load(1, Role.INPUT)
    twice.load(2, Role.INPUT)
    assert m.ledger["fc1.load"].calls == 2


@either_backend
def test_calls_elements_and_narrowings_are_counted(backend):
    m = machine(32, backend=backend)
    a, b = m.load(np.ones((2, 3), int), Role.INPUT, "a"), m.load(np.ones((3, 4), int), Role.INPUT, "b")
    for _ in range(3):
        m.mac(a, b)
    m.sum(a, 1)
    m.sum(a, 0, at="columns")
    m.add(a, m.constant(5, "five"))
    m.argmax(a)
    m.mac(m.load(np.ones((2, 0), int), Role.INPUT, "none"), m.load(np.ones((0, 5), int), Role.INPUT, "none"), at="k0")
    counts = {site.name: (site.calls, site.elements, site.narrowings) for site in m.ledger}
    assert counts == {
        "a": (1, 6, 6),
        "b": (1, 12, 12),
        "mac": (3, 24, 24 * 3 * 2),
        "sum": (1, 2, 2 * 3),
        "columns": (1, 3, 3 * 2),
        "five": (1, 1, 1),
        "add": (1, 6, 6),
        "argmax": (1, 2, 2),
        "none": (2, 0, 0),
        "k0": (1, 10, 0),
    }


def test_flags_are_sticky():
    m = machine()
    x = m.load([100, 1, 64], Role.INPUT)
    m.add(x, x)
    site = m.ledger["add"]
    assert site.flags == Flags(events=2, elements=2, corrupted=2)
    assert (site.overflowed, m.ledger.overflowed) == (True, True)
    for _ in range(2):
        m.add(x, m.constant([-100, 0, 0], "less"))
    assert site.flags == Flags(events=2, elements=2, corrupted=2)
    m.add(x, x)
    assert (site.calls, site.flags) == (4, Flags(events=4, elements=4, corrupted=4))
    m.mac(m.load([[100, 100, -100]], Role.INPUT, "row"), m.constant([[1], [1], [1]], "ones"))
    assert m.ledger.flags == Flags(events=6, elements=5, transient=1, corrupted=4)
    assert not m.ledger["load"].overflowed


def test_divisions_by_zero_and_vanished_updates_are_counted():
    m = machine()
    x = m.load([5, 0, 3], Role.INPUT)
    m.div(x, m.constant([0, 0, 4], "divisor"), Role.UPDATE)
    site = m.ledger["div"]
    assert site.flags == Flags(vanished=1, zero_divisions=2)
    assert site.overflowed
    assert (site.witness, m.ledger.first) == (None, None)
    m.div(x, m.constant(9, "nine"), Role.UPDATE, at="small")
    assert m.ledger["small"].flags == Flags(vanished=2)
    assert not m.ledger["small"].overflowed


def test_an_empty_ledger():
    ledger = Ledger()
    assert list(ledger) == []
    assert (ledger.flags, ledger.overflowed, ledger.first) == (CLEAN, False, None)


# --- spans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [Reference, lambda: Vector(measure=True)])
def test_spans_grow_where_the_backend_measures(backend):
    m = machine(backend=backend)
    x = m.load([[3, -4]], Role.INPUT)
    m.mac(x, m.constant([[10], [5]], "c"))
    assert m.ledger["mac"].span == Span(10, 10, -20, 30)
    m.mac(m.load([[100, 100]], Role.INPUT), m.constant([[2], [0]], "c"))
    assert m.ledger["mac"].span == Span(10, 200, -20, 200)
    assert m.ledger["load"].span == Span(-4, 100, -4, 100)
    m.reshape(m.load([], Role.INPUT, "nothing"), (0,))
    assert m.ledger["nothing"].span is None


def test_no_spans_where_it_does_not():
    m = machine(backend=Vector)
    x = m.load([[3, -4]], Role.INPUT)
    m.mac(x, m.constant([[100], [5]], "c"))
    assert [site.span for site in m.ledger] == [None, None, None]
    assert m.ledger.flags.events > 0


# --- witnesses ---------------------------------------------------------------------------------------------


@either_backend
def test_witness_of_a_product(backend):
    """Element (1, 0): k = 0 fits (2 * 3), at k = 1 the product 50 * 40 = 2000 does not: -48 in eight bits."""
    m = machine(backend=backend).scope("fc1")
    m.now("train", 2, 17)
    m.mac(m.load([[0, 0], [2, 50]], Role.INPUT), m.load([[3, 0], [40, 0]], Role.INPUT, "w"))
    assert m.ledger["fc1.mac"].witness == Witness(
        site="fc1.mac",
        op="mac",
        phase="train",
        epoch=2,
        step=17,
        element=(1, 0),
        narrowing=Narrowing(k=1, stage="product", operands=(50, 40), before=6, exact=2000, stored=-48),
        register=Register(Role.ACCUMULATOR, INT8, WRAP),
    )
    text = str(m.ledger.first)
    assert "fc1.mac[1, 0]" in text
    assert "train, epoch 2, step 17" in text
    assert "mac(50 * 40) = 2000, stored -48 in an 8-bit accumulator register (wrap)" in text


@either_backend
def test_witness_of_a_sum_of_products(backend):
    """100 * 1 fits and 50 * 1 fits; their sum 150 does not."""
    m = machine(overflow=SATURATE, backend=backend)
    m.mac(m.load([[100, 50]], Role.INPUT), m.load([[1], [1]], Role.INPUT, "w"))
    witness = m.ledger.first
    assert witness.element == (0, 0)
    assert witness.narrowing == Narrowing(1, "sum", (50, 1), 100, 150, 127)
    assert "100 + (50 * 1) = 150, stored 127 in an 8-bit accumulator register (saturate)" in str(witness)


@either_backend
def test_witness_of_a_sum(backend):
    """Column 1 of three rows: 100 + 20 fits, + 10 is 130 and does not."""
    m = machine(backend=backend)
    m.sum(m.load([[1, 100], [2, 20], [3, 10]], Role.INPUT), 0)
    witness = m.ledger.first
    assert witness.element == (0, 1)
    assert witness.narrowing == Narrowing(2, "sum", (10,), 120, 130, -126)
    assert "120 + (10) = 130, stored -126" in str(witness)


@either_backend
def test_witness_of_a_result(backend):
    m = machine(backend=backend)
    m.sub(m.load([[1], [-100]], Role.INPUT), m.load([1, 100], Role.INPUT, "b"))
    witness = m.ledger.first
    assert witness.element == (1, 1)
    assert witness.narrowing == Narrowing(0, "result", (-100, 100), 0, -200, 56)
    assert "sub[1, 1]" in str(witness)
    assert "[build]" in str(witness)
    assert "sub(-100, 100) = -200, stored 56" in str(witness)


@either_backend
def test_witness_of_a_load(backend):
    """Constants overflow too: 2^8 * 784 on a 16-bit machine."""
    m = machine(16, backend=backend)
    m.constant(200704, "scale_by")
    witness = m.ledger.first
    assert (witness.op, witness.element) == ("load", ())
    assert witness.narrowing == Narrowing(0, "result", (200704,), 0, 200704, 4096)
    assert "load(200704) = 200704, stored 4096 in a 16-bit constant register (wrap)" in str(witness)


@either_backend
def test_witness_of_a_long_list_of_operands_is_cut(backend):
    m = machine(4, weight=8, backend=backend)
    below, choices = m.load([1, 2, 3], Role.WEIGHT), m.load([9, 90, 7, 8], Role.WEIGHT)
    m.select(m.load([1], Role.WEIGHT), below, choices)
    witness = m.ledger.first
    assert witness.narrowing == Narrowing(0, "result", (1, 1, 2, 3, 9, 90, 7, 8), 0, 90, -6)
    assert "select(1, 1, 2, 3, ...) = 90, stored -6" in str(witness)


@either_backend
def test_a_site_keeps_its_first_witness_and_the_ledger_the_first_of_all(backend):
    m = machine(backend=backend)
    x = m.load([100], Role.INPUT)
    m.now("train", 1, 1)
    m.add(x, x)
    m.now("train", 1, 2)
    m.neg(m.load([-128], Role.INPUT))
    m.add(x, m.load([99], Role.INPUT))
    assert m.ledger["add"].witness.step == 1
    assert m.ledger["neg"].witness.step == 2
    assert m.ledger.first is m.ledger["add"].witness


@given(words(most=12), overflows, st.data())
@settings(max_examples=60, deadline=None)
def test_a_witness_is_the_first_event_of_the_first_element_with_one(word, overflow, data):
    n, k, count = (data.draw(st.integers(1, 3)) for _ in range(3))
    m = Machine(Reference(), Widths(word), overflow)
    a, b = (m.load(data.draw(arrays(word, shape)), Role.INPUT) for shape in ((n, k), (k, count)))
    m.mac(a, b)
    expected = None
    for i, j in np.ndindex(n, count):
        held = 0
        for q in range(k):
            x, y = a.at((i, q)), b.at((q, j))
            product = _narrow(x * y, word, overflow)
            total = _narrow(held + product, word, overflow)
            if expected is None and product != x * y:
                expected = (i, j), Narrowing(q, "product", (x, y), held, x * y, product)
            if expected is None and total != held + product:
                expected = (i, j), Narrowing(q, "sum", (x, y), held, held + product, total)
            held = total
    witness = m.ledger["mac"].witness
    assert (witness and (witness.element, witness.narrowing)) == expected


def _narrow(exact, word, overflow):
    if overflow is SATURATE:
        return min(max(exact, word.lo), word.hi)
    return (exact - word.lo) % 2**word.bits + word.lo


# --- traps -------------------------------------------------------------------------------------------------


@either_backend
def test_a_trap_stops_at_the_first_overflow(backend):
    m = machine(backend=backend, trap=True)
    inner = m.scope("fc1").scope("forward")
    x = m.load([[100, 50]], Role.INPUT)
    inner.add(x, m.constant(0, "zero"))
    with pytest.raises(OverflowTrap) as caught:
        inner.mac(x, m.load([[1], [1]], Role.INPUT, "w"))
    witness = caught.value.witness
    assert (witness.site, witness.op, witness.element) == ("fc1.forward.mac", "mac", (0, 0))
    assert witness.narrowing == Narrowing(1, "sum", (50, 1), 100, 150, -106)
    assert witness.register == Register(Role.ACCUMULATOR, INT8, WRAP)
    for part in ("fc1.forward.mac", "100 + (50 * 1) = 150", "stored -106", "8-bit accumulator"):
        assert part in str(caught.value)
    assert m.ledger.first is witness
    assert isinstance(caught.value, ArithmeticError)


def test_a_trap_strikes_again_if_the_caller_goes_on():
    m = machine(trap=True)
    x = m.load([100], Role.INPUT)
    witnesses = []
    for step, other in enumerate(([100], [27], [28])):
        m.now("train", 1, step)
        try:
            m.add(x, m.load(other, Role.INPUT))
        except OverflowTrap as trap:
            witnesses.append(trap.witness)
    assert [(w.step, w.narrowing.exact) for w in witnesses] == [(0, 200), (2, 128)]
    site = m.ledger["add"]
    assert (site.calls, site.flags.events) == (3, 2)
    assert m.ledger.first is witnesses[0]


def test_loads_trap_too():
    with pytest.raises(OverflowTrap, match=r"x\[1\] .*load\(128\) = 128, stored -128"):
        machine(trap=True).load([127, 128], Role.INPUT, "x")


def test_transient_overflows_trap():
    with pytest.raises(OverflowTrap, match=r"100 \+ \(100\) = 200"):
        m = machine(trap=True)
        m.sum(m.load([100, 100, -100], Role.INPUT), 0)


# --- the clock ---------------------------------------------------------------------------------------------


def test_the_clock_is_shared_by_all_scopes():
    m = machine()
    inner = m.scope("fc1")
    assert m.clock == Clock("build", 0, 0)
    inner.now("test")
    assert m.clock == Clock("test", 0, 0)
    m.now("train", 3, 9)
    assert inner.clock == Clock("train", 3, 9)


# --- values ------------------------------------------------------------------------------------------------


@given(words(), overflows, st.data())
@settings(max_examples=30, deadline=None)
def test_backends_agree_through_the_machine(word, overflow, data):
    """A small layer in lockstep, ledgers compared."""
    x, w, b = (data.draw(arrays(word, shape)) for shape in ((2, 3), (3, 2), (1, 2)))
    ledgers = []
    for backend in (Reference(), Vector(measure=True)):
        m = Machine(backend, Widths(word), overflow)
        sums = m.add(m.mac(m.load(x, Role.INPUT, "x"), m.load(w, Role.WEIGHT, "w")), m.load(b, Role.BIAS, "b"))
        m.div(m.sum(sums, 0), m.constant(3, "three"), Role.UPDATE)
        ledgers.append(list(m.ledger))
    assert ledgers[0] == ledgers[1]


def test_sites_compare_by_content():
    register = Register(Role.BIAS, INT8)
    assert Site("a", "add", register) == Site("a", "add", register)
    assert Site("a", "add", register).span is None
    assert plain([1]).size == 1


# --- scores ------------------------------------------------------------------------------------------------


@either_backend
def test_score_counts_on_the_host(backend):
    m = machine(2, backend=backend)  # classes above 1 do not even fit a register of this machine
    predicted = m.argmax(m.load([[1, 0, 0], [0, 1, 0], [0, 0, 1]], Role.INPUT))
    assert ints(predicted) == [0, 1, -2]
    before = dict(m.ledger.sites)
    assert m.score(predicted, np.array([0, 1, 2], np.uint8)) == 2
    assert m.score(predicted, [1, 1, 1]) == 1
    assert m.ledger.sites == before
    assert m.register(Role.HOST).word == Word(48)


@pytest.mark.parametrize("backend", [Reference, Vector, Interval, lambda: Lockstep(Vector(), Reference())])
def test_score_of_any_register_on_any_backend(backend):
    """Classes beyond 32 bits, which no argmax gives but a register holds."""
    m = machine(48, backend=backend)
    m.now("test")
    assert m.score(m.load([1 << 33, 2, 1 << 32], Role.INPUT), [1 << 33, 2, 0]) == 2
    assert m.ledger.predictions.of("test").tolist() == [1 << 33, 2, 1 << 32]


def test_ranges_cannot_be_scored():
    m = machine(backend=Interval)
    with pytest.raises(UsageError, match="is no number"):
        m.score(Ranges((2,), 0, 1), [0, 1])


def test_score_is_seen_by_the_backend():
    class Spy(Reference):
        def apply(self, op, args, to, site):
            seen.append((op.name, to.role, site))
            return super().apply(op, args, to, site)

    seen = []
    m = Machine(Spy()).scope("test")
    m.score(m.load([3], Role.INPUT), [3])
    assert seen[-1] == ("load", Role.HOST, "test.labels")


def test_a_witness_is_of_the_register_that_overflowed_where_a_name_has_two():
    m = Machine(widths=Widths(Word(16), {Role.WEIGHT: Word(8)}))
    m.load(1, Role.INPUT, at="x")
    m.load(300, Role.WEIGHT, at="x")
    witness = m.ledger.first
    assert witness.key == SiteKey("x", "load", Role.WEIGHT)
    assert (witness.register.word, witness.narrowing.exact, witness.narrowing.stored) == (Word(8), 300, 44)


def test_equal_widths_are_equal_and_have_one_text():
    loss, accumulator = (Role.LOSS, Word(16)), (Role.ACCUMULATOR, Word(32))
    one, other = Widths(INT8, dict([loss, accumulator])), Widths(INT8, dict([accumulator, loss, (Role.BIAS, INT8)]))
    assert one == other
    assert str(one) == str(other) == "8+accumulator=32+loss=16"
    assert Widths(INT8, {Role.LOSS: INT8}) == Widths(INT8)
