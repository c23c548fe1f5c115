"""Replay: identical everywhere, also from the middle; what another machine would have done; the audit of a trace."""

import json
import re
import sys
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from traced import DATA, SATURATE, WRAP, convolved, cut_off, forge, machine, odd_program, recipe, rows, trained

from pocketnn.arith import Native, Overflow, Reference, Role, Vector, fit, plain
from pocketnn.arith.native_library import compiler
from pocketnn.arith.reference import narrowings
from pocketnn.cli import main
from pocketnn.errors import CorruptError, UsageError
from pocketnn.machine import Widths
from pocketnn.trace import Player, Trace, record, replay, verify, what_if
from pocketnn.trace.diff import difference
from pocketnn.trace.dump import event_line, events_of, scalar_line, scalars_of
from pocketnn.train import train

BACKENDS = {
    "reference": Reference,
    "numpy": lambda: Vector(measure=True, compiled=False),
    "vector": lambda: Vector(measure=True),
    **({"c": Native} if compiler() else {}),
}


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


@pytest.fixture
def anywhere(monkeypatch):
    """Replay on every way of computing, by name."""
    monkeypatch.setattr(sys.modules["pocketnn.trace.replay"], "BACKENDS", BACKENDS)
    return list(BACKENDS)


@pytest.mark.parametrize(
    "changes", [{}, {"algorithm": "bp"}, {"batch_norm": True}, {"activation": "pocket_relu8bit", "input_shift": 3}]
)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("bits", [8, pytest.param(16, marks=pytest.mark.slow), 32])
def test_trainings_replay_identically(tmp_path, anywhere, bits, overflow, changes):
    path = tmp_path / "t.pnt"
    trained(path, machine(bits, overflow), epochs=1, **changes)
    with Trace(path) as trace:
        for backend in anywhere:
            found = replay(trace, backend)
            assert (found.first, found.events, found.status) == (None, trace.events, "complete")


def test_the_backend_c_without_a_compiler_is_one_line(tmp_path, monkeypatch):
    trained(tmp_path / "t.pnt", machine(8), epochs=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("replay", tmp_path / "t.pnt", "--backend", "c", code=2)
    assert "the backend c needs a C compiler" in result.stderr
    assert "apt-get install gcc" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("bits", [8, 16, 48])
def test_other_programs_replay_identically(tmp_path, anywhere, bits):
    for name, full in (("a", False), ("b", True)):
        path = tmp_path / f"{name}.pnt"
        with record(machine(bits), path, full) as m:
            odd_program(m)
        with Trace(path) as trace:
            assert [replay(trace, backend).first for backend in anywhere] == [None] * len(anywhere)
    convolved(tmp_path / "c.pnt", machine(bits))
    with Trace(tmp_path / "c.pnt") as trace:
        assert [replay(trace, backend).first for backend in anywhere] == [None] * len(anywhere)


@pytest.fixture
def short_intervals(monkeypatch):
    for module in ("writer", "player", "replay"):
        monkeypatch.setattr(sys.modules[f"pocketnn.trace.{module}"], "INTERVAL", 4)


def test_replay_from_the_middle_starts_at_a_checkpoint(tmp_path, anywhere, short_intervals, monkeypatch):
    path = tmp_path / "t.pnt"
    m, _ = trained(path, machine(16, backend=Vector(measure=True)))
    ran = []
    original = Player.run
    monkeypatch.setattr(Player, "run", lambda self, step, *a: ran.append(step.id) or original(self, step, *a))
    assert rows(path, "SELECT count(*) > 0 FROM checkpoint")[0][0]
    with Trace(path) as trace:
        for backend in anywhere:
            for first in range(1, len(trace.steps) + 1):
                ran.clear()
                found = replay(trace, backend, first, min(first + 1, len(trace.steps)))
                assert found.first is None
                assert min(ran) == (first - 1) // 4 * 4 + 1
        whole, half = replay(trace).ledger, replay(trace, first=7).ledger
        assert whole.flags == m.ledger.flags
        assert half.flags.events + replay(trace, last=6).ledger.flags.events == whole.flags.events
        assert what_if(trace, Widths.of(8), WRAP, first=6).first is not None
        with pytest.raises(UsageError, match="steps"):
            replay(trace, first=5, last=4000)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize(("bits", "accumulator"), [(8, None), (8, 16), (16, None), (12, 24)])
def test_what_if_equals_the_live_run_there(tmp_path, bits, accumulator, overflow):
    path = tmp_path / "t.pnt"
    trained(path)
    live = machine(bits, overflow, Vector(measure=True), accumulator)
    train(live, DATA, recipe())
    with Trace(path) as trace:
        for backend in ("vector", "reference"):
            found = what_if(trace, Widths.of(bits, accumulator), overflow, backend)
            assert list(found.ledger.sites) == list(live.ledger.sites)
            for site in live.ledger:
                other = found.ledger.sites[site.key]
                assert (other.flags, other.span, other.calls) == (site.flags, site.span, site.calls)
                assert str(other.witness) == str(site.witness)
            assert (found.ledger.first, found.ledger.left) == (live.ledger.first, live.ledger.left)


def test_the_first_difference_is_named_with_both_values_and_the_rest_counted(tmp_path):
    path = tmp_path / "t.pnt"
    with record(machine(), path) as m:
        a = m.load([[1, 100], [2, 120]], Role.INPUT, at="a")
        b = m.add(a, a, at="twice")
        m.add(b, b, at="four_times")
        m.load(5, Role.INPUT, at="five")
    with Trace(path) as trace:
        found = what_if(trace, Widths.of(8), WRAP)
    first = found.first
    assert (first.event, first.site, first.element, first.recorded, first.replayed) == (2, "twice", (0, 1), 200, -56)
    assert found.later == 1
    text = run("replay", path, "--word", 8, code=1).stdout
    assert "twice[0, 1] (add)" in text
    assert "recorded 200, replayed -56" in text
    assert "1 later events differ too" in text
    data = json.loads(run("replay", path, "--word", 8, "--overflow", "saturate", "--json", code=1).stdout)
    assert data["first"]["replayed"] == 127
    assert data["later"] == 1
    assert run("replay", path, "--word", 16).stdout.startswith("1 steps, 4 events on 16 wrap: identical")


@pytest.mark.parametrize(
    ("position", "what"), [(0, "exact range"), (2, "result (its digest)"), (3, "exact range"), (5, "flags")]
)
def test_one_altered_number_is_named_by_replay_even_if_the_chain_was_forged(tmp_path, position, what):
    path = tmp_path / "t.pnt"
    trained(path, machine(8))
    with Trace(path) as trace:
        step = trace.steps[4]
        entries = trace.entries(step)
        index = next(i for i, entry in enumerate(entries) if len(entry) == 12 and entry[3] is not None)
    entries[index][position] += 1
    forge(path, ("UPDATE step SET figures = ? WHERE id = ?", (json.dumps(entries, separators=(",", ":")), step.id)))
    assert verify(path).status == "complete"
    with Trace(path) as trace:
        for backend in ("vector", "reference"):
            found = replay(trace, backend)
            assert (found.first.event, found.first.what) == (step.first_event + index, what)
            assert found.later == 0
    assert f"event {step.first_event + index}," in run("replay", path, code=1).stdout


def test_a_forged_result_or_checkpoint_is_found_by_replay(tmp_path, short_intervals):
    path = tmp_path / "t.pnt"
    trained(path, full=True)
    event, data = rows(path, "SELECT event, data FROM result WHERE step = 3 LIMIT 1")[0]
    raw = bytearray(zlib.decompress(data))
    raw[0] ^= 1
    forge(path, ("UPDATE result SET data = ? WHERE event = ?", (zlib.compress(bytes(raw)), event)))
    assert verify(path).status == "complete"
    with Trace(path) as trace:
        found = replay(trace)
        assert (found.first.event, found.first.what, found.later) == (event, "value", 0)
        assert found.first.recorded != found.first.replayed

    path = tmp_path / "u.pnt"
    trained(path)
    number, event, data = rows(path, "SELECT id, event, data FROM checkpoint WHERE interval = 2 LIMIT 1")[0]
    raw = bytearray(zlib.decompress(data))
    raw[0] ^= 1
    forge(path, ("UPDATE checkpoint SET data = ? WHERE id = ?", (zlib.compress(bytes(raw)), number)))
    with Trace(path) as trace, pytest.raises(CorruptError, match=f"checkpoint at step 9 .* event {event}"):
        replay(trace)
    run("replay", path, code=3)


@pytest.mark.parametrize(("bits", "overflow"), [(8, WRAP), (16, SATURATE), (32, WRAP)])
def test_the_audit_of_a_trace_is_the_live_one(tmp_path, bits, overflow):
    path = tmp_path / "t.pnt"
    options = ["--limit", "60", "--hidden", "5", "--epochs", "1", "--words", "8,16,48"]
    target = ["--word", bits, "--overflow", overflow.value]
    live = CliRunner().invoke(main, [str(x) for x in ("audit", *options, *target, "--trace", path)])
    assert live.exit_code == (0 if bits == 32 else 1)
    again = run("audit", path, "--words", "8,16,48", *target, code=live.exit_code)
    expected = live.stdout.replace("48 wrap: ", "48 wrap, as recorded: ").replace(" 48 bits", "recorded")
    assert again.stdout == expected
    both = [
        json.loads(run("audit", *args, *target, "--json", code=live.exit_code).stdout)
        for args in (options, [path, "--words", "8,16,48"])
    ]
    assert both[1] == {**both[0], "recorded": "48 wrap"}
    with Trace(path) as trace:
        assert trace.widths == Widths.of(48)
        assert replay(trace).first is None


def test_a_narrow_trace_can_be_audited(tmp_path):
    trained(tmp_path / "t.pnt", machine(16))
    said = run("audit", tmp_path / "t.pnt", code=1).stdout
    assert said.startswith("blobs")
    assert said.endswith("\nnot judged: 8 wrap: OVERFLOWS; 32 wrap: no overflow\n16 wrap, as recorded: OVERFLOWS\n")


@pytest.mark.parametrize(
    ("first", "last", "ending", "part"),
    [
        (1, None, True, None),
        (1, 10, True, None),
        (1, 4000, True, None),
        (1, 1, True, "PARTIAL: steps 1 to 1 of 10"),
        (3, 5, True, "PARTIAL: steps 3 to 5 of 10"),
        (4, None, True, "PARTIAL: steps 4 to 10 of 10"),
        (30, None, True, "PARTIAL: no steps of 10"),
        (1, None, False, "PARTIAL: steps 1 to 10, cut off: the run was killed, or goes on still"),
        (3, 5, False, "PARTIAL: steps 3 to 5, cut off: the run was killed, or goes on still"),
    ],
)
def test_a_part_is_called_a_part_by_every_command(tmp_path, first, last, ending, part):
    path = tmp_path / "t.pnt"
    trained(path, first=first, last=last)
    if not ending:
        cut_off(path)
    code = 4 if part else 0
    with Trace(path) as trace:
        assert (trace.part, replay(trace).part, verify(path).part) == (part, part, part)
    assert (part or "complete") in run("trace", "info", path, code=code).stdout
    assert (part or "complete") in run("trace", "verify", path, code=code).stdout
    assert (f"identical; {part}" if part else "identical\n") in run("replay", path, code=code).stdout
    assert run("trace", "dump", path, code=code).stderr == (f"{path}: {part}\n" if part else "")
    said = run("trace", "diff", path, path, code=code).stdout
    assert said == (f"no difference in what is there\n{path}: {part}\n" if part else "no difference\n")
    for command in (["trace", "info"], ["trace", "verify"], ["replay"]):
        assert json.loads(run(*command, path, "--json", code=code).stdout)["part"] == part
    data = json.loads(run("trace", "diff", path, path, "--json", code=code).stdout)
    assert data["parts"] == ({str(path): part} if part else {})
    audited = run("audit", path, "--html", tmp_path / "t.html", "--sarif", tmp_path / "t.sarif", code=code).stdout
    results = json.loads((tmp_path / "t.sarif").read_text())["runs"][0]["results"]
    for text in (audited, (tmp_path / "t.html").read_text()):
        words = " ".join(text.replace("Green: no overflow", "").split())
        clean = "NOTHING JUDGED, for no op ran" if part == "PARTIAL: no steps of 10" else "no overflow"
        assert words.count(clean) >= 1
        assert words.count(clean) == words.count(f"{clean} ({part})") if part else "PARTIAL" not in words
    assert json.loads(run("audit", path, "--json", code=code).stdout)["part"] == part
    assert [r["ruleId"] for r in results] == (["incomplete"] if part else [])
    assert all(part in r["message"]["text"] for r in results)


def test_a_run_that_failed_is_a_part(tmp_path):
    path = tmp_path / "t.pnt"
    command = ["train", "--limit", "60", "--hidden", "5", "--epochs", "2", "--word", 8, "--trap", "--trace", path]
    run(*command, code=1)
    assert re.search(r"identical; PARTIAL: steps 1 to 1 of 10, failed", run("replay", path, code=4).stdout)


def test_a_run_of_the_command_line_knows_its_steps_before_it_ends(tmp_path):
    path = tmp_path / "t.pnt"
    run("train", "--limit", "60", "--hidden", "5", "--epochs", "2", "--trace", path, "--trace-steps", "2:4")
    cut_off(path)
    assert "PARTIAL: steps 2 to 4 of 10, cut off" in run("trace", "info", path, code=4).stdout


def test_names_that_the_header_has_itself_are_refused(tmp_path):
    with pytest.raises(UsageError, match="about: machine, steps"):
        record(machine(), tmp_path / "t.pnt", about={"machine": "mine", "steps": "all", "note": "x"}).__enter__()
    for first, last in ((0, None), (3, 2)):
        with pytest.raises(UsageError, match="steps"):
            record(machine(), tmp_path / "t.pnt", first=first, last=last).__enter__()
    assert not (tmp_path / "t.pnt").exists()


def test_train_and_eval_write_traces(tmp_path):
    small = ["--limit", "60", "--hidden", "5", "--epochs", "1"]
    plain_run = run("train", *small, "--word", 16, "--save", tmp_path / "w.npz").stdout
    traced = run("train", *small, "--word", 16, "--trace", tmp_path / "t.pnt", "--trace-level", "full").stdout
    assert traced == plain_run
    run("eval", tmp_path / "w.npz", "--limit", "60", "--word", 16, "--trace", tmp_path / "e.pnt")
    for name, level in (("t", "full"), ("e", "digest")):
        for backend in ("vector", "reference"):
            run("replay", tmp_path / f"{name}.pnt", "--backend", backend)
        run("trace", "verify", tmp_path / f"{name}.pnt")
        assert json.loads(run("trace", "info", tmp_path / f"{name}.pnt", "--json").stdout)["level"] == level


# --- dump and diff -----------------------------------------------------------------------------------------------


def test_dump_is_a_line_per_event(tmp_path):
    path = tmp_path / "t.pnt"
    trained(path, machine(8), epochs=1)
    lines = run("trace", "dump", path).stdout.splitlines()
    with Trace(path) as trace:
        assert lines == list(map(event_line, events_of(trace)))
        for line, recorded in zip(lines, (r for step in trace.steps for r in trace.recorded(step)), strict=True):
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            span, digest, flags = recorded.figures
            assert (words["event"], words["step"]) == (str(recorded.id), str(recorded.step.id))
            assert words["site"] == recorded.code.site
            assert words["range"] == f"{span.lo}..{span.hi}"
            assert int(words["digest"], 16) == digest % (1 << 64)
            assert words.get("events", "0") == str(flags.events)
            assert words.get("corrupted", "0") == str(flags.corrupted)
        assert run("trace", "dump", path, "--steps", "2:3").stdout.splitlines() == list(
            map(event_line, events_of(trace, 2, 3))
        )
    run("trace", "dump", path, "--steps", "2:300", code=2)


def test_dump_as_json_says_the_same(tmp_path):
    path = tmp_path / "t.pnt"
    trained(path, machine(8), epochs=1)
    events = [json.loads(line) for line in run("trace", "dump", path, "--json").stdout.splitlines()]
    with Trace(path) as trace:
        for found, recorded in zip(events, (r for step in trace.steps for r in trace.recorded(step)), strict=True):
            code, (span, digest, flags) = recorded.code, recorded.figures
            assert (found["event"], found["step"], found["site"]) == (recorded.id, recorded.step.id, code.site)
            assert tuple(found["moment"].values()) == recorded.step.moment
            assert (found["op"], tuple(found["shape"])) == (code.op.name, code.shape)
            assert tuple(found["operands"]) == recorded.operands
            assert tuple(found["to"].values()) == (code.to.role, code.to.word.bits, code.to.overflow.value)
            assert tuple(found["range"].values()) == span
            assert tuple(found["flags"].values()) == flags
            assert int(found["digest"], 16) == digest % (1 << 64)
    assert {event["op"]: event["params"] for event in events}["transpose"] == [[1, 0]]
    product = next(event["event"] for event in events if event["op"] == "mac")
    lines = run("trace", "dump", path, "--scalar", product).stdout.splitlines()
    scalars = run("trace", "dump", path, "--scalar", product, "--json").stdout.splitlines()
    for line, text in zip(lines, scalars, strict=True):
        found = json.loads(text)
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        assert line.split()[1] == f"{found['site']}{json.dumps(found['element']).replace(' ', '')}"
        assert f" {found['op']}.{found['stage']} " in line
        assert words["operands"] == ",".join(map(str, found["operands"]))
        assert words["stored"] == f"{found['stored']}:{found['register']}"
        assert (int(words["exact"]), int(words["k"])) == (found["exact"], found["k"])
        assert found["overflow"] == line.endswith("OVERFLOW")
        assert (words["accumulator"].split(":")[0] if "accumulator" in words else "None") == str(found["before"])


@pytest.mark.parametrize("overflow", Overflow)
def test_every_register_operation_of_an_event_as_by_hand(tmp_path, overflow):
    path = tmp_path / "t.pnt"
    a, b = [[100, -3], [7, 90]], [[2], [5]]
    with record(machine(8, overflow), path) as m:
        x, y = m.load(a, Role.INPUT), m.load(b, Role.WEIGHT)
        m.mac(x, y, at="dot")
    by_hand = []
    word = m.widths.word
    for i in range(2):
        total = 0
        for k in range(2):
            exact = a[i][k] * b[k][0]
            product = fit(exact, word, overflow)
            flag = "ok" if product == exact else "OVERFLOW"
            place = f"event=3 dot[{i},0] k={k}"
            bits = f"0x{product & 255:02x}"
            by_hand.append(
                f"{place} mac.product operands={a[i][k]},{b[k][0]} exact={exact} stored={product}:{bits} {flag}"
            )
            summed = fit(total + product, word, overflow)
            flag = "ok" if summed == total + product else "OVERFLOW"
            by_hand.append(
                f"{place} mac.sum operands={a[i][k]},{b[k][0]} accumulator={total}:0x{total & 255:02x} "
                f"exact={total + product} stored={summed}:0x{summed & 255:02x} {flag}"
            )
            total = summed
    assert run("trace", "dump", path, "--scalar", 3).stdout.splitlines() == by_hand
    assert run("trace", "dump", path, "--scalar", 3, "--element", "1,0").stdout.splitlines() == by_hand[4:]
    assert "OVERFLOW" in "".join(by_hand)
    for bad in (["--scalar", 9], ["--scalar", 3, "--element", "2,0"], ["--scalar", 3, "--element", "0"]):
        assert run("trace", "dump", path, *bad, code=2).stderr.count("\n") == 1


def test_scalar_operations_count_what_the_event_says(tmp_path, short_intervals):
    path = tmp_path / "t.pnt"
    trained(path, machine(8), epochs=1)
    with Trace(path) as trace:
        for step in (trace.steps[0], trace.steps[5]):
            for recorded in trace.recorded(step):
                lines = list(map(scalar_line, scalars_of(trace, recorded.id)))
                assert sum(line.endswith("OVERFLOW") for line in lines) == recorded.figures.flags.events
                assert len(lines) >= np.prod(recorded.code.shape)


def test_diff_names_the_first_difference(tmp_path):
    for name, lr in (("a", 50), ("b", 50), ("c", 40)):
        with record(machine(), tmp_path / f"{name}.pnt") as m:
            train(m, DATA, recipe(lr_inv=lr))
    assert run("trace", "diff", tmp_path / "a.pnt", tmp_path / "b.pnt").stdout == "no difference\n"
    with Trace(tmp_path / "a.pnt") as a, Trace(tmp_path / "c.pnt") as c:
        found = difference(a, c)
    assert found[0] == "step 1:"
    assert "lr" in found[1]
    assert "range=-50..-50" in found[1] or "range=50..50" in found[1]
    with record(machine(16), tmp_path / "d.pnt") as m:
        train(m, DATA, recipe())
    assert run("trace", "diff", tmp_path / "a.pnt", tmp_path / "d.pnt", code=1).stdout.startswith("header machine")
    with record(machine(), tmp_path / "e.pnt", last=3) as m:
        train(m, DATA, recipe())
    assert "one ends after step 3" in run("trace", "diff", tmp_path / "a.pnt", tmp_path / "e.pnt", code=1).stdout


def test_figures_of_random_events_by_plain_integers(tmp_path):
    """Counts and ranges of some events, recomputed from the trace's operands with the table's definitions."""
    path = tmp_path / "t.pnt"
    trained(path, machine(8))
    rng = np.random.default_rng(3)
    with Trace(path) as trace:
        player = Player(trace, machine(8))
        for step in trace.steps:
            recorded = list(trace.recorded(step))
            for one in (recorded[i] for i in rng.choice(len(recorded), 3) if recorded[i].code.op.name != "load"):
                player.run(step, until=one.id)
                code = one.code
                args = [plain(x.ints()) if hasattr(x, "ints") else x for x in player.operands(one.id, code)]
                events = 0
                for index in np.ndindex(code.shape):
                    events += sum(n.exact != n.stored for n in narrowings(code.op, tuple(args), index, code.to))
                assert events == one.figures.flags.events
            player.run(step)
