"""Audits: verdicts, the report, its text and its data."""

import json

import numpy as np
import pytest
from tiny import blobs

from pocketnn.arith import CLEAN, INT8, INT16, INT32, Lockstep, Overflow, Reference, Register, Role, Vector, Word
from pocketnn.audit import Target, Verdict, as_data, as_text, audit_training, certified, judge
from pocketnn.audit.text import compact
from pocketnn.errors import DivergenceError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import Inputs, train

RECIPE = Recipe((9,), epochs=2, batch=5, lr_inv=50)


@pytest.fixture(scope="module")
def report():
    return audit_training(blobs(120), RECIPE, [Target(Widths(INT16), Overflow.WRAP)])


def run(program, word, overflow=Overflow.WRAP):
    machine = Machine(Vector(measure=True), Widths(word), overflow)
    program(machine)
    return machine.ledger


def verdicts(program, word, overflow=Overflow.WRAP):
    """Kind and guard bits of every site of a program on one target."""
    target = Target(Widths(word), overflow)
    exact = run(program, Word(48))
    return {
        v.site: (v.cells[0].verdict, v.cells[0].guard_bits)
        for v in judge(exact, [(target, run(program, word, overflow))])
    }


def test_fits_with_guard_bits():
    assert verdicts(lambda m: m.load([[3, -4]], Role.INPUT), INT8) == {"load": (Verdict.SAFE, 5)}


def test_corrupted():
    assert verdicts(lambda m: m.load([[200]], Role.INPUT), INT8) == {"load": (Verdict.CORRUPTED, -1)}


def dot(m, left, right):
    return m.mac(m.load([left], Role.INPUT, "a"), m.load([[v] for v in right], Role.WEIGHT, "b"))


def test_transient_only_where_it_wraps():
    def program(m):
        dot(m, [100, 100, -100], [1, 1, 1])

    assert verdicts(program, INT8)["mac"] == (Verdict.TRANSIENT, -1)
    assert verdicts(program, INT8, Overflow.SATURATE)["mac"] == (Verdict.CORRUPTED, -1)


def test_fits_in_the_stated_order_only():
    # 100 - 100 + 100: no prefix leaves 8 bits, but 100 + 100 would
    assert verdicts(lambda m: dot(m, [100, -100, 100], [1, 1, 1]), INT8)["mac"] == (Verdict.SAFE, -1)


def test_short_where_the_run_went_astray_before():
    def program(m):
        a = m.load([[256]], Role.INPUT, "a")  # 0 in 8 bits
        m.add(a, a)

    assert verdicts(program, INT8) == {"a": (Verdict.CORRUPTED, -2), "add": (Verdict.UNREACHED, -3)}


def test_zero_division_is_a_verdict_and_never_certified():
    def program(m):
        m.div(m.load([[1]], Role.INPUT, "a"), m.load([[0]], Role.INPUT, "b"))

    assert verdicts(program, INT8)["div"] == (Verdict.ZERO_DIVISION, 8 - 48)
    assert not certified(run(program, Word(48)), Widths(Word(48)))


def test_certified_needs_room_for_every_order():
    exact = run(lambda m: dot(m, [100, -100, 100], [1, 1, 1]), Word(48))
    assert not certified(exact, Widths(INT8))
    assert certified(exact, Widths(Word(9)))
    assert certified(exact, Widths(INT8, {Role.ACCUMULATOR: Word(9)}))


@pytest.mark.parametrize("bits", range(8, 33, 3))
def test_certified_machines_compute_the_exact_run(bits):
    exact = Machine(Vector(measure=True), Widths(Word(48)))
    expected = train(exact, blobs(60), RECIPE)
    for overflow in Overflow:
        machine = Machine(None, Widths(Word(bits)), overflow)
        run = train(machine, blobs(60), RECIPE)
        if certified(exact.ledger, machine.widths):
            assert not machine.ledger.overflowed
            assert run.epochs == expected.epochs
            assert all(np.array_equal(v, expected.network.parameters()[k]) for k, v in run.network.parameters().items())
        elif not machine.ledger.overflowed:
            assert run.epochs == expected.epochs


def test_a_certified_machine_has_the_counts_of_the_exact_run_site_by_site(report):
    """Nothing overflowed there, but updates vanished, as they did exactly."""
    for place, outcome in enumerate(report.outcomes):
        assert sum(site.cells[place].flags.vanished for site in report.sites) == outcome.flags.vanished > 0
        if not outcome.emulated:
            assert outcome.flags == report.exact.flags
    assert not all(outcome.emulated for outcome in report.outcomes)


def test_report_has_every_machine_in_both_modes(report):
    assert [str(outcome.target) for outcome in report.outcomes] == [
        f"{bits} {mode}" for bits in (8, 16, 32) for mode in ("wrap", "saturate")
    ]
    assert report.focus.target == Target(Widths(INT16), Overflow.WRAP)
    assert all(len(site.cells) == 6 for site in report.sites)


def test_a_width_of_its_own_gets_columns_of_its_own():
    widths = Widths(INT16, {Role.ACCUMULATOR: INT32})
    report = audit_training(blobs(40), Recipe((3,), epochs=1), [Target(widths, Overflow.SATURATE)])
    assert len(report.outcomes) == 8
    assert str(report.focus.target) == "16+accumulator=32 saturate"
    lines = list(as_text(report))
    assert "asked" in lines[3]
    assert max(map(len, lines)) <= 100


def test_outcomes_are_those_of_runs_on_their_own(report):
    for outcome in report.outcomes:
        machine = Machine(Vector(compiled=False), outcome.target.widths, outcome.target.overflow)
        alone = train(machine, blobs(120), RECIPE)
        assert outcome.scores.epochs == alone.epochs
        assert outcome.flags == machine.ledger.flags
        assert outcome.overflowed == machine.ledger.overflowed
        assert str(outcome.first) == str(machine.ledger.first)
        cells = {site.key: site.cells[report.outcomes.index(outcome)] for site in report.sites}
        assert {name: str(cell.first) for name, cell in cells.items()} == {
            site.key: str(site.witness) for site in machine.ledger
        }


def test_ranges_are_those_of_plain_integers(report):
    machine = Machine(Reference(), Widths(Word(48)))
    train(machine, blobs(120), RECIPE)
    for verdict in report.sites:
        site = machine.ledger.sites[verdict.key]
        assert (verdict.span, verdict.narrowings, verdict.calls) == (site.span, site.narrowings, site.calls)


def test_bits_needed_are_enough_and_one_less_is_not():
    # an element-wise program never leaves the exact run before its site, so the bits are tight
    def program(m):
        m.load([[-129, 90]], Role.INPUT)

    exact = run(program, Word(48))
    (verdict,) = judge(exact, [])
    assert verdict.bits == 9
    assert not run(program, Word(9)).overflowed
    assert run(program, Word(8)).overflowed


def test_where_a_machine_left_the_exact_run(report):
    """The first step whose parameters differ, found by comparing whole runs, is the step that the flags name."""
    exact = Machine(Vector(), Widths(Word(48)))
    train(exact, blobs(120), RECIPE)
    for outcome in report.outcomes:
        machine = Machine(
            Lockstep(Values(Widths(Word(48)), Overflow.WRAP), Values(outcome.target.widths, outcome.target.overflow)),
            Widths(Word(48)),
        )
        if outcome.left is None:
            train(machine, blobs(120), RECIPE)
        else:
            with pytest.raises(DivergenceError) as caught:
                train(machine, blobs(120), RECIPE)
            site, clock = outcome.left
            assert site.name in str(caught.value)
            assert machine.clock == clock


class Values(Vector):
    """Computes on widths of its own, and tells the values alone."""

    def __init__(self, widths, overflow):
        super().__init__()
        self.widths, self.overflow = widths, overflow

    def apply(self, op, args, to, site):
        outcome = super().apply(op, args, Register(to.role, self.widths[to.role], self.overflow), site)
        return outcome._replace(flags=CLEAN)


def test_changed_predictions_are_those_that_differ(report):
    def predictions(word, overflow):
        machine = Machine(None, Widths(word), overflow)
        network = train(machine, blobs(120), RECIPE).network
        return network.predict(network.forward(Inputs(machine)(blobs(120).test.images))).ints()

    exact = predictions(Word(48), Overflow.WRAP)
    for outcome in report.outcomes:
        ours = predictions(outcome.target.widths.word, outcome.target.overflow)
        assert outcome.changed == np.count_nonzero(ours != exact)


def test_text_fits_100_columns_and_says_what_matters(report):
    lines = list(as_text(report))
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "first overflow on each failing machine" in text
    assert lines[-1] == "16 wrap: OVERFLOWS"
    for site in report.sites:
        assert any(line.startswith(f"{site.site} ") for line in lines), site.site
    share = f"({report.exact.scores.test_correct}/{report.exact.scores.test_total})"
    assert share in text


def test_data_is_json_with_every_number(report):
    data = json.loads(json.dumps(as_data(report)))
    assert data["schema"] == "pocketnn-audit/3"
    assert data["overflowed"] is True
    assert len(data["runs"]) == 7
    assert len(data["sites"]) == len(report.sites)
    first = next(run for run in data["runs"] if run["machine"] == "16 wrap")["first_overflow"]
    witness = report.focus.first
    assert first["site"] == witness.site
    assert (first["exact"], first["stored"]) == (witness.narrowing.exact, witness.narrowing.stored)
    assert set(first) >= {"epoch", "step", "element", "k", "operands", "accumulator_before"}
    for site, verdict in zip(data["sites"], report.sites, strict=True):
        for name, cell in site["machines"].items():
            expected = verdict.cells[[str(o.target) for o in report.outcomes].index(name)]
            assert (cell["verdict"], cell["events"]) == (expected.verdict, expected.flags.events)


def test_nothing_overflows_on_a_wide_machine():
    report = audit_training(blobs(60), RECIPE, [Target(Widths(Word(40)), Overflow.WRAP)], words=(40,))
    assert not report.focus.overflowed
    assert report.focus.emulated is False
    assert "on all machines: no overflow" in "\n".join(as_text(report))
    assert list(as_text(report))[-1] == "40 wrap: no overflow"


def test_an_exact_run_that_is_not_says_so():
    recipe = Recipe((6, 6), activation="as_is", algorithm="bp", epochs=8, batch=5, lr_inv=1)
    report = audit_training(blobs(120), recipe, [Target(Widths(), Overflow.WRAP)], words=(32,))
    assert report.exact.overflowed
    assert "the exact run overflowed its 48 bits" in " ".join(" ".join(as_text(report)).split())


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.00k"), (9994, "9.99k"), (9995, "10.0k"), (12345, "12.3k"), (99949, "99.9k"),
        (99950, "100k"), (999499, "999k"), (1_000_000, "1.00M"), (123_456_789, "123M"), (10**12, "1.00T"),
    ],
)  # fmt: skip
def test_compact_numbers(number, text):
    assert compact(number) == text
    assert len(compact(number)) <= 5


def test_audit_of_a_run_in_lockstep_sees_the_same():
    both = Machine(Lockstep(Reference(), Vector(measure=True)), Widths(Word(11)))
    train(both, blobs(40), Recipe((4,), epochs=1, batch=4, lr_inv=5))
    alone = Machine(Vector(measure=True), Widths(Word(11)))
    train(alone, blobs(40), Recipe((4,), epochs=1, batch=4, lr_inv=5))
    assert both.ledger.overflowed
    assert [(s.name, s.flags, s.span) for s in both.ledger] == [(s.name, s.flags, s.span) for s in alone.ledger]
