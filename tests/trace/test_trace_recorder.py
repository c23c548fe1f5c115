"""Recorder, Program and Writer: what is recorded, and that what comes out is the same as without."""

import contextlib
import itertools
import json
import pickle

import numpy as np
import pytest
from traced import DATA, chain_of, contents, convolved, digest, machine, odd_program, recipe, rows, trained

import pocketnn
from pocketnn.arith import OPS, Backend, Lockstep, Outcome, Reference, Role, Span, Vector
from pocketnn.errors import OverflowTrap, RecordingError, UsageError
from pocketnn.machine import Machine
from pocketnn.trace import Program, Recorder, Trace, record, replay, verify
from pocketnn.train import train


def recorded(build, backend=None, **options):
    m = machine(backend=backend or Vector(measure=True))
    program = Program()
    with Recorder(m, program, **options) as recorder:
        build(m.over(recorder))
    return m, program


def test_events_count_from_1_without_gaps_and_know_their_operands():
    _, program = recorded(odd_program)
    events = [event for _, events in program.steps for event in events]
    assert [event.result.id for event in events] == list(range(1, len(events) + 1))
    by_site = {event.result.code.site: event for event in events}
    assert [x.id for x in by_site["twice"].operands] == [by_site["single"].result.id] * 2
    assert [len(step) for _, step in program.steps] == [3, 3, 5]
    # a step in which nothing ran, the second of the test, is none
    assert [moment for moment, _ in program.steps] == [("build", 0, 0), ("test", 1, 1), ("test", 1, 3)]


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_recording_changes_nothing(tmp_path, bits):
    plain = machine(bits, backend=Vector(measure=True))
    expected = train(plain, DATA, recipe())
    m, run = trained(tmp_path / "t.pnt", machine(bits))
    assert run.epochs == expected.epochs
    assert list(m.ledger) == list(plain.ledger)
    for site in plain.ledger:
        assert (m.ledger.sites[site.key].flags, m.ledger.sites[site.key].span) == (site.flags, site.span)
    assert (m.ledger.first, m.ledger.left) == (plain.ledger.first, plain.ledger.left)


def test_two_ops_of_one_site_and_shape_stay_two(tmp_path):
    with record(machine(), tmp_path / "t.pnt") as m:
        a = m.load([3, 4], Role.INPUT)
        m.add(a, a, at="same")
        m.mul(a, a, at="same")
    with Trace(tmp_path / "t.pnt") as trace:
        assert [trace.code_of(event).op.name for event in (1, 2, 3)] == ["load", "add", "mul"]
        assert replay(trace).first is None


def test_the_file_holds_what_program_holds(tmp_path):
    with record(machine(), tmp_path / "t.pnt", full=True) as m:
        odd_program(m)
    _, program = recorded(odd_program)
    with Trace(tmp_path / "t.pnt") as trace:
        assert [(step.moment, step.events) for step in trace.steps] == [(m, len(e)) for m, e in program.steps]
        for step, (_, events) in zip(trace.steps, program.steps, strict=True):
            for found, event in zip(trace.recorded(step), events, strict=True):
                code = event.result.code
                assert found.code == code
                assert found.operands == tuple(x.id for x in event.operands)
                assert found.figures.flags == event.flags
                items = event.result.ints()
                assert np.array_equal(trace.result(found.id), items)
                assert found.figures.digest == digest(items.reshape(-1), code.to.word.bits)
                if event.outside is not None:
                    assert [int(x) for x in trace.leaf(found.id).flat] == [
                        int(x) for x in np.asarray(event.outside).flat
                    ]


def test_ranges_beyond_64_bits_are_exact(tmp_path):
    top = (1 << 47) - 1
    with record(machine(48), tmp_path / "t.pnt") as m:
        wide = m.load([[top, top]], Role.WEIGHT)
        m.mac(wide, m.load([[-top], [-top]], Role.WEIGHT), at="mac")
        m.load(1 << 100, Role.INPUT, at="huge")
    with Trace(tmp_path / "t.pnt") as trace:
        by_site = {r.code.site: r.figures.span for r in trace.recorded(trace.steps[0])}
    assert by_site["mac"][:3] == (-2 * top * top, -2 * top * top, -2 * top * top)
    assert by_site["huge"].lo == 1 << 100


def test_digest_of_every_width_is_the_documented_one(tmp_path):
    items = np.random.default_rng(1).integers(-100, 100, 29)
    for bits in (2, 8, 9, 16, 17, 32, 33, 48):
        path = tmp_path / f"{bits}.pnt"
        with record(machine(bits), path) as m:
            stored = m.load(items, Role.INPUT).ints()
        with Trace(path) as trace:
            (found,) = trace.recorded(trace.steps[0])
        assert found.figures.digest == digest(stored, bits)


def test_large_results_have_the_same_digest(tmp_path):
    items = np.arange(-10000, 10001)
    with record(machine(), tmp_path / "t.pnt") as m:
        m.load(items, Role.INPUT)
    with Trace(tmp_path / "t.pnt") as trace:
        (found,) = trace.recorded(trace.steps[0])
    assert found.figures.digest == digest(items, 32)
    assert found.figures.span[:2] == (-10000, 10000)


def test_the_chain_is_the_documented_one(tmp_path):
    for name, full in (("a", False), ("b", True)):
        path = tmp_path / f"{name}.pnt"
        trained(path, full=full)
        links = chain_of(path)
        assert links[1:-1] == [row[0] for row in rows(path, "SELECT chain FROM step ORDER BY id")]
        assert links[-1] == rows(path, "SELECT chain FROM ending")[0][0]
        assert verify(path).chain == links[-1].hex()


@pytest.mark.parametrize("full", [False, True])
def test_the_chain_of_a_run_depends_on_neither_the_clock_nor_the_compression(tmp_path, monkeypatch, full):
    """Commits after every step, after 64, or now and then; threads or none; blocks of another size and level."""
    from pocketnn.trace import leaves, writer

    chains, blocks = set(), []
    for seconds, chunk, level in ((1e9, 1 << 18, 1), (-1.0, 1 << 18, 9), (0.0, 100, 0)):
        monkeypatch.setattr(writer, "_SECONDS", seconds)
        monkeypatch.setattr(leaves, "_CHUNK", chunk)
        monkeypatch.setattr(leaves, "_LEVEL", level)
        path = tmp_path / f"{seconds}.pnt"
        trained(path, full=full)
        chains.add(verify(path).chain)
        blocks.append(rows(path, "SELECT first_row, lengths, data FROM block"))
    assert len(chains) == 1
    assert blocks[0] != blocks[1] != blocks[2]


def test_each_image_is_stored_once_however_often_it_is_read(tmp_path):
    sizes = []
    for epochs in (1, 4):
        path = tmp_path / f"{epochs}.pnt"
        trained(path, epochs=epochs, hidden=())
        sizes.append(sum(len(row[0]) // 4 for row in rows(path, "SELECT lengths FROM block")))
    assert sizes[1] < 2 * sizes[0]


@pytest.mark.parametrize(
    "row", [np.zeros(3, np.int64), np.zeros((2, 2), np.uint8), np.zeros(2, np.int8).view(np.recarray), [0, 0]]
)
def test_what_is_loaded_may_be_overwritten_at_once(tmp_path, row):
    with record(machine(), tmp_path / "t.pnt") as m:
        for step in (1, 2, 3):
            m.now("train", 1, step)
            row[:] = [step] * len(row)
            x = m.load(row, Role.INPUT)
            row[:] = [9] * len(row)
            m.neg(x)
    with Trace(tmp_path / "t.pnt") as trace:
        assert replay(trace).first is None


@pytest.mark.parametrize("threads", [True, False])
def test_rows_are_compressed_a_few_at_a_time(tmp_path, monkeypatch, threads):
    """Also where there are no more threads; every block is there, in order, and each row of every leaf in it."""

    def none_left(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pocketnn.trace.leaves._CHUNK", 100)
    if not threads:
        monkeypatch.setattr("threading.Thread.start", none_left)
    with record(machine(), tmp_path / "t.pnt") as m:
        for step in range(1, 30):
            m.now("train", 1, step)
            m.load([[step] * 70, [-step] * 70], Role.INPUT)
            m.load([0] * 20, Role.INPUT, at="known")
    blocks = rows(tmp_path / "t.pnt", "SELECT first_row, length(lengths) / 4 FROM block ORDER BY id")
    assert len(blocks) == 29
    assert [first for first, _ in blocks] == [sum(count for _, count in blocks[:i]) for i in range(len(blocks))]
    assert verify(tmp_path / "t.pnt").status == "complete"
    with Trace(tmp_path / "t.pnt") as trace:
        assert trace.leaf(3).tolist() == [[2] * 70, [-2] * 70]
        assert replay(trace).first is None


def test_a_step_with_much_that_is_new_is_cut_into_blocks(tmp_path, monkeypatch):
    """One leaf at most beyond the size at which a block is begun: so a reader takes them all."""
    monkeypatch.setattr("pocketnn.trace.leaves._CHUNK", 1000)
    monkeypatch.setattr("pocketnn.trace.leaves._MAX_BLOCK", 1000 + 700)
    with record(machine(), tmp_path / "t.pnt") as m:
        for n in range(20):
            m.load([[n] * 700], Role.INPUT)
    assert rows(tmp_path / "t.pnt", "SELECT length(lengths) / 4 FROM block") == [(2,)] * 10
    with Trace(tmp_path / "t.pnt") as trace:
        assert len(trace.steps) == 1
        assert replay(trace).first is None


def test_a_load_that_went_wrong_is_found_by_replay(tmp_path):
    """A leaf holds what was given, not what the backend took it for."""

    class Bytes(Vector):
        def measuring(self):
            return self

        def apply(self, op, args, to, site):
            wrong = (args[0].astype(np.int8),) if op.name == "load" else args
            return super().apply(op, wrong, to, site)

    with record(machine(backend=Bytes(measure=True)), tmp_path / "t.pnt") as m:
        assert m.load([300, 5], Role.INPUT).ints().tolist() == [44, 5]
    with Trace(tmp_path / "t.pnt") as trace:
        assert trace.leaf(1).tolist() == [300, 5]
        assert replay(trace).first.event == 1


def test_steps_that_differ_in_an_old_operand_alone_are_two_plans(tmp_path):
    """Also where the id of what is older is, as a number, the distance of what is not."""
    with record(machine(), tmp_path / "t.pnt") as m:
        old = [m.load([n], Role.INPUT) for n in range(8)]
        m.now("train", 1, 1)
        m.neg(m.load([1], Role.INPUT))
        for step, chosen in enumerate((1, 2, 2, None, 0, 1), start=2):
            m.now("train", 1, step)
            m.load([step], Role.INPUT, at="first")
            new = m.load([100 + step], Role.INPUT, at="second")
            m.neg(new if chosen is None else old[chosen], at="neg")
    with Trace(tmp_path / "t.pnt") as trace:
        found = [trace.operands_of(step.first_event + 2) for step in trace.steps[2:]]
        assert found == [(2,), (3,), (3,), (trace.steps[5].first_event + 1,), (1,), (2,)]
        assert len({step.plan for step in trace.steps[2:]}) == 4
        assert replay(trace).first is None


def test_a_window_records_only_its_steps_and_replays(tmp_path):
    whole, window = tmp_path / "whole.pnt", tmp_path / "window.pnt"
    trained(whole)
    trained(window, first=3, last=5)
    with Trace(whole) as a, Trace(window) as b:
        assert [step.moment for step in b.steps] == [step.moment for step in a.steps[2:5]]
        given = {r.code.site for step in b.steps for r in b.recorded(step) if r.code.site.endswith(".given")}
        assert "fc1.update.clamp.given" in given

        def lines(trace, steps):
            return [
                (r.code.site, r.figures.digest, r.figures.span)
                for step in steps
                for r in trace.recorded(step)
                if not r.code.site.endswith(".given")
            ]

        assert lines(a, a.steps[2:5]) == lines(b, b.steps)
        for backend in ("vector", "reference"):
            assert replay(b, backend).first is None


def test_a_window_after_the_end_is_an_empty_trace(tmp_path):
    trained(tmp_path / "t.pnt", first=1000)
    with Trace(tmp_path / "t.pnt") as trace:
        assert (trace.steps, trace.events, trace.status) == ([], 0, "complete")
        assert replay(trace).events == 0
    assert verify(tmp_path / "t.pnt").steps == 0


def test_nothing_recorded_at_all(tmp_path):
    with pocketnn.record(machine(), tmp_path / "t.pnt"):
        pass
    assert verify(tmp_path / "t.pnt").status == "complete"
    with Trace(tmp_path / "t.pnt") as trace:
        assert replay(trace, "reference").first is None


def test_values_from_before_the_recording_are_given(tmp_path):
    m = Machine()
    weight = m.load([[3], [-4]], Role.WEIGHT)
    with pocketnn.record(m, tmp_path / "t.pnt") as recording:
        for step in (1, 2):
            recording.now("test", 1, step)
            y = recording.scope("fc").mac(recording.load([[1, 2]], Role.INPUT), weight)
    assert y.ints().tolist() == [[-5]]
    with Trace(tmp_path / "t.pnt") as trace:
        sites = [r.code.site for step in trace.steps for r in trace.recorded(step)]
        assert sites == ["load", "fc.mac.given", "fc.mac", "load", "fc.mac"]  # given once, referred to twice
        assert trace.operands_of(5) == (4, 2)
        assert replay(trace).first is None


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_an_exception_goes_on_and_the_file_says_how_it_ended(tmp_path, error, status):
    with pytest.raises(error), pocketnn.record(machine(), tmp_path / "t.pnt") as m:
        a = m.load([1, 2], Role.INPUT)
        m.now("train", 1, 1)
        m.add(a, a)
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["t.pnt"]
    assert verify(tmp_path / "t.pnt").status == status
    with Trace(tmp_path / "t.pnt") as trace:
        assert (len(trace.steps), trace.events) == (2, 2)
        assert replay(trace).first is None


def interrupted_in(monkeypatch, module, name, call):
    """Make that call of a function, counted from 1, raise a KeyboardInterrupt."""
    original, calls = getattr(module, name), itertools.count(1)

    def interrupting(*args):
        if next(calls) == call:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(module, name, interrupting)


@pytest.mark.parametrize("where", ["text_of", "extended"])
def test_interrupted_inside_the_writer_the_file_ends_at_the_last_commit(tmp_path, monkeypatch, where):
    from pocketnn.trace import writer

    interrupted_in(monkeypatch, writer, where, 150)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "t.pnt", epochs=50)
    found = verify(tmp_path / "t.pnt")
    assert found.status == "interrupted"
    assert found.steps == 128
    with Trace(tmp_path / "t.pnt") as trace:
        assert replay(trace).first is None


@pytest.mark.parametrize(("full", "call", "steps"), [(False, 1, 1), (False, 10, 10), (True, 1, 1), (True, 100, 3)])
def test_interrupted_while_a_step_is_settled_the_file_ends_with_that_step(tmp_path, monkeypatch, full, call, steps):
    from pocketnn.trace import recorder, writer

    interrupted_in(monkeypatch, *((writer, "_packed") if full else (recorder, "measure")), call)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "t.pnt", full=full)
    found = verify(tmp_path / "t.pnt")
    assert (found.status, found.steps) == ("interrupted", steps)
    with Trace(tmp_path / "t.pnt") as trace:
        assert replay(trace).first is None


def some_steps(m):
    """Steps of two loads; each goes on with the next one when it is interrupted."""
    for step in range(1, 9):
        with contextlib.suppress(KeyboardInterrupt):
            m.now("train", 1, step)
            m.load([1, 2, step], Role.INPUT)
            m.load([3, 4, step], Role.INPUT)


@pytest.mark.parametrize("most", [4, 1 << 20])
def test_nothing_that_ran_is_lost_to_an_interrupt_while_a_step_is_settled(tmp_path, monkeypatch, most):
    from pocketnn.trace import recorder

    monkeypatch.setattr(recorder, "_MOST", most)
    interrupted_in(monkeypatch, recorder, "measure", 4)
    with record(machine(), tmp_path / "t.pnt") as m:
        some_steps(m)
    with Trace(tmp_path / "t.pnt") as trace:
        steps = [step.moment.step for step in trace.steps]
        assert steps == ([1, 2, 3, 4, 5, 6, 7, 8] if most == 4 else [1, 2, 3, 4, 6, 7, 8])
        assert replay(trace).first is None


def test_a_trace_with_a_gap_is_not_written(tmp_path, monkeypatch):
    """An interrupt can come between the counting of an event and the noting down of it."""
    from pocketnn.trace import recorder

    interrupted_in(monkeypatch, recorder, "_new", 3)
    with pytest.raises(RecordingError, match="are missing"), record(machine(), tmp_path / "t.pnt") as m:
        some_steps(m)
    found = verify(tmp_path / "t.pnt")
    assert (found.status, found.steps) == ("failed", 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_step_whose_first_op_fails_is_none(tmp_path, error):
    class Failing(Vector):
        def apply(self, op, args, to, site):
            if site == "fail":
                raise error
            return super().apply(op, args, to, site)

    with record(machine(backend=Failing(measure=True)), tmp_path / "a.pnt") as m:
        for step in range(1, 6):
            m.now("train", 1, step)
            with contextlib.suppress(error):
                m.load([step], Role.INPUT, at="fail" if step in (1, 3, 5) else "load")
    with Trace(tmp_path / "a.pnt") as trace:
        assert ([step.moment.step for step in trace.steps], trace.events) == ([2, 4], 2)
        assert replay(trace).first is None
    with pytest.raises(error), record(machine(backend=Failing(measure=True)), tmp_path / "b.pnt") as m:
        for step in range(1, 61):
            m.now("train", 1, step)
            m.load([step], Role.INPUT, at="fail" if step == 51 else "load")
    assert verify(tmp_path / "b.pnt").steps == 50


def test_an_interrupt_after_the_sink_was_told_says_nothing_twice(tmp_path):
    class Interrupting(Program):
        def __init__(self):
            super().__init__()
            self.due = ["step", "events"]

        def step(self, moment):
            super().step(moment)
            self.interrupted("step")

        def events(self, events, entries):
            super().events(events, entries)
            self.interrupted("events")

        def interrupted(self, name):
            if name in self.due:
                self.due.remove(name)
                raise KeyboardInterrupt

    m, program = machine(backend=Vector(measure=True)), Interrupting()
    with Recorder(m, program) as recorder:
        for _ in range(3):
            with contextlib.suppress(KeyboardInterrupt):
                some_steps(m.over(recorder))
    ids = [event.result.id for _, events in program.steps for event in events]
    assert ids == list(range(1, len(ids) + 1))
    assert all(events for _, events in program.steps)


@pytest.mark.parametrize(("name", "events"), [("step", 39), ("events", 40)])
def test_an_interrupt_after_the_writer_was_told_loses_nothing(tmp_path, monkeypatch, name, events):
    from pocketnn.trace.writer import Writer

    original, calls = getattr(Writer, name), itertools.count(1)

    def interrupting(self, *args):
        original(self, *args)
        if next(calls) == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(Writer, name, interrupting)
    with pytest.raises(KeyboardInterrupt), record(machine(), tmp_path / "t.pnt") as m:
        for step in range(1, 40):
            m.now("train", 1, step)
            m.load([1, 2, step], Role.INPUT)
            m.load([3, 4, step], Role.INPUT)
    found = verify(tmp_path / "t.pnt")
    assert (found.status, found.steps, found.events) == ("interrupted", 20, events)
    with Trace(tmp_path / "t.pnt") as trace:
        assert replay(trace).first is None


@pytest.mark.parametrize(
    ("call", "error", "status"), [(2, RecordingError, "failed"), (8, KeyboardInterrupt, "interrupted")]
)
def test_who_goes_on_after_an_interrupt_of_the_writer_is_told(tmp_path, monkeypatch, call, error, status):
    """At the last step nobody can go on."""
    from pocketnn.trace import writer

    interrupted_in(monkeypatch, writer, "extended", call)
    with pytest.raises(error) as raised, record(machine(), tmp_path / "t.pnt") as m:
        some_steps(m)
    assert error is KeyboardInterrupt or "step 2 was not written" in str(raised.value)
    assert verify(tmp_path / "t.pnt").status == status


def test_a_last_step_that_cannot_be_written_ends_the_file(tmp_path):
    with pytest.raises(RecordingError, match="printed"), record(machine(), tmp_path / "t.pnt") as m:
        m.load(1, Role.INPUT)
        m.now("train", 1, 1)
        m.load(1, Role.INPUT, at="a\nb")
    assert verify(tmp_path / "t.pnt").status == "failed"


def test_values_of_the_host_have_ranges_too(tmp_path):
    with record(machine(), tmp_path / "t.pnt") as m:
        a = m.load([5, -6], Role.HOST, at="host")
        m.mul(a, a, Role.HOST, at="square")
    assert m.ledger["host"].span == Span(-6, 5, -6, 5)
    assert m.ledger["square"].span == Span(25, 36, 25, 36)


def test_a_machine_measures_on_when_its_recording_has_ended(tmp_path):
    m = machine()
    with record(m, tmp_path / "t.pnt") as recorded:
        x = recorded.load([1], Role.INPUT, at="x")
    recorded.load([9], Role.INPUT, at="x")
    assert recorded.add(x, x).ints().tolist() == [2]
    assert m.ledger["x"].span == Span(1, 9, 1, 9)
    assert verify(tmp_path / "t.pnt").events == 1


def test_what_waits_to_be_settled_is_bounded(tmp_path, monkeypatch):
    """Counted with what folds keep of their operands."""
    from pocketnn.trace import recorder

    sizes = []
    measure = recorder.measure
    monkeypatch.setattr(recorder, "_MOST", 1000)
    monkeypatch.setattr(recorder, "measure", lambda events: sizes.append(len(events)) or measure(events))
    with record(machine(), tmp_path / "t.pnt") as m:
        x = m.load(np.full((20, 20), 50000), Role.INPUT)
        for _ in range(10):
            m.sum(x, 0)
    assert sizes == [3, 3, 3, 2]


def test_handles_can_be_pickled(tmp_path):
    with record(machine(), tmp_path / "t.pnt") as m:
        x = pickle.loads(pickle.dumps(m.load([3, 4], Role.INPUT)))
        assert m.add(x, x).ints().tolist() == [6, 8]
    with Trace(tmp_path / "t.pnt") as trace:
        assert [r.code.site for r in trace.recorded(trace.steps[0])] == ["load", "add.given", "add"]


def test_the_ledger_knows_the_ranges_of_a_step_that_has_not_ended(tmp_path):
    with record(machine(), tmp_path / "t.pnt") as m:
        a = m.load([[3, -4]], Role.INPUT)
        m.mac(a, m.load([[5], [6]], Role.WEIGHT), at="mac")
        assert m.ledger["mac"].span == Span(-9, -9, -24, 15)
        m.add(a, a)
        site = pickle.loads(pickle.dumps(m.ledger["add"]))
        assert site.span == Span(-8, 6, -8, 6)
        m.now("train", 1, 1)
        m.mac(a, m.load([[7], [6]], Role.WEIGHT), at="mac")
    assert m.ledger["mac"].span == Span(-9, -3, -24, 21)
    with Trace(tmp_path / "t.pnt") as trace:
        assert (len(trace.steps), trace.events) == (2, 6)
        assert replay(trace).first is None


def test_a_site_that_scores_too_has_the_range_of_its_own_op(tmp_path):
    """Labels are in no ledger, whatever they are called."""
    with record(machine(), tmp_path / "t.pnt") as m:
        m.score(m.argmax(m.load([[5, 6]], Role.INPUT)), [77])
        m.load([1, 2], Role.INPUT, at="labels")
        m.score(m.argmax(m.load([[5, 6]], Role.INPUT)), [78])
    assert m.ledger["labels"].span == Span(1, 2, 1, 2)


def test_a_value_of_the_recording_around_is_a_foreign_one(tmp_path):
    with record(machine(), tmp_path / "a.pnt") as outer:
        outer.load([9], Role.INPUT)
        x = outer.load([3, 4], Role.INPUT, at="x")
        with record(outer, tmp_path / "b.pnt") as inner:
            y = inner.add(x, x)
        assert y.ints().tolist() == [6, 8]
    with Trace(tmp_path / "b.pnt") as trace:
        sites = [r.code.site for r in trace.recorded(trace.steps[0])]
        assert sites == ["add.given", "add"]
        assert trace.operands_of(2) == (1, 1)
        assert replay(trace).first is None
    with Trace(tmp_path / "a.pnt") as trace:
        assert replay(trace).first is None


def test_a_value_of_the_recording_inside_is_known_outside(tmp_path):
    with record(machine(), tmp_path / "a.pnt") as outer:
        with record(outer, tmp_path / "b.pnt") as inner:
            y = inner.load([3, 4], Role.INPUT)
        assert outer.neg(y).ints().tolist() == [-3, -4]
    with Trace(tmp_path / "a.pnt") as trace:
        assert trace.operands_of(2) == (1,)
        assert replay(trace).first is None


def test_a_value_of_a_recording_that_has_ended_is_a_foreign_one(tmp_path):
    m = machine()
    with record(m, tmp_path / "a.pnt") as first:
        x = first.load([3, 4], Role.INPUT)
    with record(m, tmp_path / "b.pnt") as second:
        assert second.neg(x).ints().tolist() == [-3, -4]
    with Trace(tmp_path / "b.pnt") as trace:
        assert [r.code.site for r in trace.recorded(trace.steps[0])] == ["neg.given", "neg"]
        assert replay(trace).first is None


def test_a_trap_is_recorded_up_to_the_overflow(tmp_path):
    m = Machine(trap=True, widths=machine(8).widths)
    with pytest.raises(OverflowTrap), record(m, tmp_path / "t.pnt") as recording:
        a = recording.load([100], Role.INPUT)
        recording.add(a, a)
    with Trace(tmp_path / "t.pnt") as trace:
        found = replay(trace)
        assert (found.first, found.events, found.status) == (None, 2, "failed")
        assert found.ledger.flags.events == 1


def test_recordings_may_be_nested(tmp_path):
    with record(machine(), tmp_path / "a.pnt") as outer, record(outer.scope("net"), tmp_path / "b.pnt") as inner:
        odd_program(inner)
    with Trace(tmp_path / "a.pnt") as a, Trace(tmp_path / "b.pnt") as b:
        assert a.events == b.events > 0
        assert {code.site for code in a.codes.values()} == {code.site for code in b.codes.values()}
        assert "net.mac_wide" in {code.site for code in a.codes.values()}


class Unmeasured(Backend):
    """A backend that cannot say what range a result needed."""

    def apply(self, op, args, to, site):
        value, flags, _ = self.inner.apply(op, args, to, site)
        return Outcome(value, flags, None)

    inner = Vector()


def test_a_backend_that_does_not_measure(tmp_path):
    trained(tmp_path / "t.pnt", machine(8, backend=Unmeasured()))
    with Trace(tmp_path / "t.pnt") as trace:
        assert all(r.figures.span is None for step in trace.steps for r in trace.recorded(step))
        for backend in ("vector", "reference"):
            assert replay(trace, backend).first is None
    assert verify(tmp_path / "t.pnt").status == "complete"
    assert rows(tmp_path / "t.pnt", "SELECT DISTINCT lo FROM event") == [(None,)]


def test_any_backend_records_the_same(tmp_path):
    chains = set()
    for number, backend in enumerate(
        (Vector(compiled=False), Reference(), Lockstep(Reference(), Vector(measure=True)))
    ):
        path = tmp_path / f"{number}.pnt"
        trained(path, machine(8, backend=backend), epochs=1)
        chains.add(verify(path).chain)
    assert len(chains) == 1


def test_convolution_does_not_repeat_its_codes(tmp_path):
    convolved(tmp_path / "t.pnt")
    sites = rows(tmp_path / "t.pnt", "SELECT site, params FROM code")
    assert len(sites) == len(set(sites))


def test_what_no_reader_would_take_is_not_written(tmp_path):
    with pytest.raises(RecordingError, match="printed"), record(machine(), tmp_path / "a.pnt") as m:
        m.load(1, Role.INPUT, at="a\nb")
    assert verify(tmp_path / "a.pnt").steps == 0


def test_an_existing_file_is_never_touched(tmp_path):
    path = tmp_path / "t.pnt"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists"), record(machine(), path):
        pass
    assert path.read_bytes() == b"mine"


def test_a_file_that_cannot_be_started_leaves_nothing(tmp_path, monkeypatch):
    from pocketnn.trace import writer

    def connect(path, **options):
        for suffix in ("-wal", "-shm") if path != ":memory:" else ():
            (tmp_path / f"t.pnt{suffix}").touch()
        return Full(path, **options)

    class Full(writer.sqlite3.Connection):
        def execute(self, statement, *args):
            if statement == "PRAGMA synchronous=NORMAL":
                raise writer.sqlite3.OperationalError("database or disk is full")
            return super().execute(statement, *args)

    monkeypatch.setattr(writer.sqlite3, "connect", connect)
    with pytest.raises(RecordingError, match=r"cannot be written .database or disk is full"):
        record(machine(), tmp_path / "t.pnt").__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RecordingError, match="cannot be written"), record(machine(), tmp_path / "no" / "t.pnt"):
        pass


def test_read_while_it_is_written(tmp_path):
    path = tmp_path / "t.pnt"
    with contextlib.ExitStack() as stack:
        with record(machine(), path) as m:
            a = m.load([1], Role.INPUT)
            for step in range(1, 200):
                m.now("train", 1, step)
                m.add(a, a)
            trace = stack.enter_context(Trace(path))
            seen = len(trace.steps)
            assert trace.status is None
            assert 64 <= seen < 200
        assert replay(trace).steps == seen  # the same state of the file, though it is complete by now
    assert verify(path).steps == 200
    assert contents(path)["ending"]


def test_index_tables_and_parameters_survive(tmp_path):
    convolved(tmp_path / "t.pnt")
    with Trace(tmp_path / "t.pnt") as trace:
        params = [c.params for c in trace.codes.values() if c.op is OPS["gather"]]
        assert all(p[0].items for p in params)
    texts = rows(tmp_path / "t.pnt", "SELECT params FROM code WHERE op = 'gather'")
    assert all(set(json.loads(text)[0]) == {"shape", "items"} for (text,) in texts)


@pytest.mark.parametrize("bits", [2, 8, 9, 16, 17, 32, 33, 48])
def test_the_compiled_look_is_what_numpy_sees(monkeypatch, bits):
    from pocketnn.arith import extent
    from pocketnn.arith.how import How
    from pocketnn.trace import figures

    def shapes(m):
        draw = np.random.default_rng(bits)
        for shape in ((), (1,), (7,), (8,), (0,), (3, 5), (2, 3, 4), (2047,), (2048,), (2049,), (20, 833)):
            x = m.load(draw.integers(-(1 << bits - 1), 1 << bits - 1, shape), Role.INPUT, at=f"load{shape}")
            if len(shape) > 1:
                m.transpose(x, tuple(reversed(range(len(shape)))), at=f"transpose{shape}")
                m.sum(x, 1, at=f"sum{shape}")
                m.reshape(x, (x.size,), at=f"reshape{shape}")

    def seen():
        m = machine(bits, backend=Vector(measure=True))
        program = Program()
        with Recorder(m, program) as recorder:
            shapes(m.over(recorder))
        return [figures.measure(events) for _, events in program.steps], list(m.ledger)

    looked = seen()
    monkeypatch.setattr(figures, "compiled", None)
    monkeypatch.setattr(extent, "_HOW", How(measure=True, kernels=False))
    assert seen() == looked
