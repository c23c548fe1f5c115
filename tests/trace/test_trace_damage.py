"""Damage, cut-off runs, full disks and hostile files: never a silent pass, never a traceback."""

import contextlib
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traced import TABLES, contents, edit, forge, machine, rows, trained

from pocketnn.arith import Role
from pocketnn.cli import main
from pocketnn.errors import CorruptError, DataError, PocketNNError
from pocketnn.trace import Trace, record, replay, verify

SMALL = ["--limit", "200", "--hidden", "8"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small whole trace of level full, as bytes."""
    path = tmp_path_factory.mktemp("good") / "t.pnt"
    trained(path, machine(16), epochs=1, full=True)
    return path


@pytest.fixture
def copy(good, tmp_path):
    path = tmp_path / "t.pnt"
    path.write_bytes(good.read_bytes())
    return path


def ends(*args, code):
    """Run a command that must fail with one line, and return the line."""
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code in (code if isinstance(code, tuple) else (code,)), (args, result.output, result.exception)
    assert isinstance(result.exception, SystemExit), result.exception
    return result.stderr


def every_command(path):
    """What each reading command makes of a damaged or strange file: its exit code, and no traceback ever."""
    codes = set()
    for args in (
        ["trace", "info", path], ["trace", "verify", path], ["trace", "dump", path], ["trace", "diff", path, path],
        ["replay", path], ["audit", path, "--words", "8"],
    ):  # fmt: skip
        result = CliRunner().invoke(main, [str(arg) for arg in args])
        assert result.exception is None or isinstance(result.exception, SystemExit), (args, result.exception)
        if result.exit_code in (2, 3, 5):
            assert result.stderr.startswith("pocketnn: ")
            assert result.stderr.count("\n") == 1
        codes.add(result.exit_code)
    return codes


# --- single bytes ------------------------------------------------------------------------------------------------


def flips(good, tmp_path, count, seed):
    """How many of so many flipped bits, each in a copy of its own, `verify` finds."""
    original = good.read_bytes()
    rng = np.random.default_rng(seed)
    found = 0
    for trial in range(count):
        place = int(rng.integers(len(original)))
        path = tmp_path / f"{trial}.pnt"
        data = bytearray(original)
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            verify(path)
        except DataError as error:
            assert error.exit_code in (3, 5) or place < 100, (place, error)
            found += 1
        path.unlink()
    return found


def test_every_flipped_bit_is_found(good, tmp_path):
    """Also those in bytes that hold nothing."""
    assert flips(good, tmp_path, 60, seed=1) == 60


@pytest.mark.slow
def test_400_flipped_bits_are_found(good, tmp_path):
    assert flips(good, tmp_path, 400, seed=2) == 400


def test_the_seal_finds_what_the_chain_does_not_cover(good, tmp_path):
    path = tmp_path / "t.pnt"
    data = bytearray(good.read_bytes())
    place = next(i for i in range(4096, len(data)) if not any(data[i - 64 : i + 64]))  # within unused bytes
    data[place] = 1
    path.write_bytes(data)
    assert "bytes that hold nothing were changed" in ends("trace", "verify", path, code=3)
    with Trace(path) as trace:
        assert replay(trace).first is None
    path.write_bytes(good.read_bytes() + bytes(100))
    ends("trace", "verify", path, code=3)
    path.write_bytes(good.read_bytes())
    edit(path, "DELETE FROM ending")
    assert "its ending was taken away" in ends("trace", "verify", path, code=3)


def test_a_damaged_file_is_let_go_of(copy):
    """Also while its error is kept, with all that the frames of its traceback hold."""
    edit(copy, "UPDATE step SET epoch = 7 WHERE id = 3")
    with pytest.raises(CorruptError) as kept:
        Trace(copy)
    edit(copy, "UPDATE step SET epoch = 8 WHERE id = 3")
    assert "step 3" in str(kept.value)


def test_a_file_that_was_never_sealed(tmp_path):
    """Somebody reads it while its run ends, so it stays three files."""
    path = tmp_path / "t.pnt"
    with contextlib.ExitStack() as stack:
        with record(machine(), path) as m:
            m.now("train", 1, 1)
            m.load([1, 2], Role.INPUT)
            for step in range(2, 200):
                m.now("train", 1, step)
                m.load([1, 2], Role.INPUT)
            stack.enter_context(Trace(path))
        found = verify(path)
        assert (found.status, found.part, found.sealed, found.steps) == ("complete", None, False, 199)
        result = CliRunner().invoke(main, ["trace", "verify", str(path)])
        assert result.exit_code == 4
        assert "not sealed: the chain is whole, but bytes that hold nothing cannot be checked" in result.stdout


@pytest.mark.parametrize("level", ["edit", "forge"])
def test_whoever_reads_a_trace_checks_its_chain(copy, level):
    """One site renamed by SQL: only a chain made anew hides it, as the documentation says."""
    (edit if level == "edit" else forge)(copy, "UPDATE code SET site = 'harmless.name' WHERE site = 'fc1.forward.mac'")
    for args in (
        ["trace", "info"],
        ["trace", "verify"],
        ["trace", "dump"],
        ["trace", "diff", copy],
        ["replay"],
        ["audit"],
    ):
        if level == "edit":
            assert "step 2: the chain breaks here" in ends(*args, copy, code=3)
        else:
            assert "the chain breaks" not in CliRunner().invoke(main, [*map(str, args), str(copy)]).stderr


def test_every_byte_of_the_database_header(good, tmp_path):
    original = good.read_bytes()
    path = tmp_path / "t.pnt"
    codes = set()
    for place in range(100):
        data = bytearray(original)
        data[place] ^= 0x41
        path.write_bytes(data)
        try:
            verify(path)
        except DataError as error:
            codes.add(error.exit_code)
        else:
            raise AssertionError(place)
        for leftover in tmp_path.glob("t.pnt-*"):
            leftover.unlink()
    assert codes == {2, 3, 5}


# --- edits -------------------------------------------------------------------------------------------------------

EDITS = {
    "a number": "UPDATE step SET figures = replace(figures, '15', '14') WHERE id = 2",
    "a step's time": "UPDATE step SET epoch = 7 WHERE id = 3",
    "a phase": "UPDATE step SET phase = 'test' WHERE id = 3",
    "a step deleted": "DELETE FROM step WHERE id = 3",
    "the last step deleted": "DELETE FROM step WHERE id = (SELECT max(id) FROM step)",
    "a leaf": "UPDATE leaf SET rows = x'01000000' WHERE event = 1",
    "a leaf deleted": "DELETE FROM leaf WHERE event = 1",
    "a leaf's type": "UPDATE leaf SET dtype = '|i1' WHERE event = (SELECT max(event) FROM leaf WHERE dtype = '|u1')",
    "leaf data": "UPDATE block SET data = x'00'",
    "a result": "UPDATE result SET data = x'789c010000ffff00000001' WHERE event = 9",
    "a site": "UPDATE code SET site = 'elsewhere' WHERE id = 5",
    "a width": "UPDATE code SET bits = 17 WHERE id = 5",
    "an op": "UPDATE code SET op = 'sub' WHERE op = 'add'",
    "an operand": "UPDATE plan SET a = a - 1 WHERE id = (SELECT id FROM plan WHERE a < -1 LIMIT 1)",
    "the machine": "UPDATE header SET value = replace(value, '16', '17') WHERE key = 'machine'",
    "the subject": "UPDATE header SET value = replace(value, 'blobs', 'mnist') WHERE key = 'subject'",
    "the release": "UPDATE header SET value = '9.9' WHERE key = 'pocketnn'",
    "a line more in the header": "INSERT INTO header VALUES ('more', 'x')",
    "how it ended": "UPDATE ending SET status = 'failed'",
    "how many steps there were": "UPDATE ending SET seen = seen + 1",
    "two endings": "INSERT INTO ending SELECT 2, status, steps, events, seen, chain FROM ending",
    "an extra leaf": "INSERT INTO leaf SELECT 99999, step, dtype, shape, rows FROM leaf WHERE event = 1",
    "an extra step": "INSERT INTO step SELECT id + 1000, phase, epoch, number, plan, first_event, events, figures, "
    "chain FROM step WHERE id = 2",
    "an extra plan": "INSERT INTO plan VALUES (99999, 2, 99, 0, 1, NULL, NULL, NULL)",
    "an extra checkpoint": "INSERT INTO checkpoint VALUES (1, 2, 0, 1, x'00')",
    "steps swapped": "UPDATE step SET figures = (SELECT figures FROM step AS s WHERE s.id = 7 - step.id) "
    "WHERE id IN (3, 4)",
    "a link": "UPDATE step SET chain = zeroblob(32) WHERE id = 4",
    "the last link": "UPDATE ending SET chain = zeroblob(32)",
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_verify_finds_edits(copy, what):
    before = contents(copy)
    edit(copy, EDITS[what])
    assert contents(copy) != before
    assert ends("trace", "verify", copy, code=3).startswith("pocketnn: ")
    every_command(copy)


def test_verify_names_the_step(copy):
    edit(copy, "UPDATE step SET figures = replace(figures, '15', '14') WHERE id = 2")
    assert "step 2: the chain breaks here" in ends("trace", "verify", copy, code=3)


def test_an_altered_checkpoint_is_found(tmp_path, monkeypatch):
    for module in ("writer", "player", "replay"):
        monkeypatch.setattr(sys.modules[f"pocketnn.trace.{module}"], "INTERVAL", 4)
    path = tmp_path / "t.pnt"
    trained(path)
    edit(path, "UPDATE checkpoint SET data = x'00' WHERE id = 1")
    assert "step 5" in ends("trace", "verify", path, code=3)


def test_a_cut_file(copy):
    data = copy.read_bytes()
    for size in (0, 10, 100, 4096, len(data) // 2, len(data) - 4096):
        copy.write_bytes(data[:size])
        ends("trace", "verify", copy, code=2 if size < 16 else (2, 3))
        every_command(copy)


@pytest.mark.parametrize(("key", "code"), [("semantics", 5), ("ops", 5)])
def test_other_versions(copy, key, code):
    edit(copy, ("UPDATE header SET value = '999' WHERE key = ?", (key,)))
    assert every_command(copy) == {code}
    edit(copy, "PRAGMA user_version = 3")
    assert "format 3" in ends("replay", copy, code=5)


# --- runs that were cut off --------------------------------------------------------------------------------------


def killed(path, delay, signal_number, *options):
    """Start a long recording as a process of its own, and signal it `delay` seconds after its file is there."""
    command = [sys.executable, "-m", "pocketnn", "train", *SMALL, "--epochs", "2000", "--trace", str(path), *options]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell's children ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    child.send_signal(signal_number)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


def kills(tmp_path, delays):
    for number, delay in enumerate(delays):
        path = tmp_path / f"{number}.pnt"
        assert killed(path, delay, signal.SIGKILL)[0] == -signal.SIGKILL
        with Trace(path) as trace:
            steps = len(trace.steps)
            assert trace.status is None
            found = replay(trace)
            assert (found.first, found.steps, found.events) == (None, steps, trace.events)
        assert verify(path).steps == steps
        for args in (["info", path], ["verify", path]):
            result = CliRunner().invoke(main, ["trace", *map(str, args)])
            assert result.exit_code == 4
            held = f"steps 1 to {steps}" if steps else "no steps"
            assert f"PARTIAL: {held} of 22002, cut off: the run was killed, or goes on still" in result.stdout
        result = CliRunner().invoke(main, ["replay", str(path)])
        assert result.exit_code == 4
        assert f"{steps} steps" in result.stdout
        assert "cut off" in result.stdout


def test_killed_at_any_moment_the_committed_steps_are_whole(tmp_path):
    kills(tmp_path, [0.05, 0.5])


@pytest.mark.slow
def test_killed_at_50_moments(tmp_path):
    kills(tmp_path, np.random.default_rng(4).uniform(0, 2.5, 50).tolist())


def test_control_c(tmp_path):
    path = tmp_path / "t.pnt"
    code, out, err = killed(path, 1.0, signal.SIGINT)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1].startswith("pocketnn: interrupted")
    assert [p.name for p in tmp_path.iterdir()] == ["t.pnt"]
    assert verify(path).status == "interrupted"
    replayed = CliRunner().invoke(main, ["replay", str(path)])
    assert replayed.exit_code == 4
    assert re.search(r"identical; PARTIAL: .*steps.* of 22002, interrupted\n", replayed.stdout)


@pytest.mark.parametrize("size", [pytest.param(150_000, marks=pytest.mark.slow), 600_000])
def test_full_disk(tmp_path, size):
    path = tmp_path / "t.pnt"
    command = [sys.executable, "-m", "pocketnn", "train", *SMALL, "--epochs", "400", "--trace", str(path)]
    child = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip
    assert (child.returncode, child.stdout) == (2, "")
    assert "cannot be written" in child.stderr.splitlines()[-1]
    assert "Traceback" not in child.stderr
    if size > 200_000:
        steps = verify(path).steps
        with Trace(path) as trace:
            found = replay(trace)
            assert (found.first, found.steps) == (None, steps)
            assert steps >= 64


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk):
    path = small_disk / "t.pnt"
    command = [sys.executable, "-m", "pocketnn", "train", *SMALL, "--epochs", "400", "--trace", str(path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (child.returncode, child.stdout) == (2, "")
    assert "cannot be written" in child.stderr.splitlines()[-1]
    assert "Traceback" not in child.stderr
    steps = verify(path).steps
    assert steps >= 64
    with Trace(path) as trace:
        assert (replay(trace).first, len(trace.steps)) == (None, steps)


def test_places_where_no_trace_can_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    for target in ("file", ".", "missing/t.pnt", "file/t.pnt"):
        before = sorted(p.name for p in tmp_path.iterdir())
        assert ends("train", *SMALL, "--trace", tmp_path / target, code=2).count("\n") == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert (tmp_path / "file").read_text() == "mine"
    for bad in ("0:3", "5:4", "x", ":-1"):
        ends("train", *SMALL, "--trace", tmp_path / "t.pnt", "--trace-steps", bad, code=2)
    assert not (tmp_path / "t.pnt").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    ends("train", *SMALL, "--trace", tmp_path / "t.pnt", code=2)
    tmp_path.chmod(0o700)


# --- hostile files -----------------------------------------------------------------------------------------------


def test_files_that_are_no_traces(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "almost").write_bytes(b"SQLite format 3\0" + bytes(200))
    edit(tmp_path / "other", "CREATE TABLE step (id)")
    for name, code in (("text", 2), ("empty", 2), ("folder", 2), ("missing", 2), ("almost", 3), ("other", 2)):
        assert ends("replay", tmp_path / name, code=code).count("\n") == 1
        assert ends("trace", "verify", tmp_path / name, code=code).count("\n") == 1


SCHEMAS = {
    "a view in place of a table": ["ALTER TABLE result RENAME TO r", "CREATE VIEW result AS SELECT * FROM r"],
    "another view": ["CREATE VIEW more AS SELECT * FROM step"],
    "a trigger": ["CREATE TRIGGER t AFTER INSERT ON leaf BEGIN DELETE FROM step; END"],
    "the view changed": ["DROP VIEW event", "CREATE VIEW event AS SELECT 1"],
    "a column more": ["ALTER TABLE step ADD COLUMN more"],
    "a table less": ["DROP TABLE result"],
    "an index less": ["DROP INDEX plan_position"],
    "an endless view": [
        "DROP VIEW event",
        "CREATE VIEW event AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
    ],
}


@pytest.mark.parametrize("what", SCHEMAS)
def test_another_schema_is_refused(copy, what):
    edit(copy, *SCHEMAS[what])
    assert every_command(copy) - {2} == {3}


BIG = "[" + "9" * 5000 + "]"
HOSTILE = {
    "huge shape": "UPDATE code SET shape = '[99999999999,99999999999]' WHERE id = 3",
    "negative shape": "UPDATE code SET shape = '[-1]' WHERE id = 3",
    "giant integer in a shape": f"UPDATE code SET shape = '{BIG}' WHERE id = 3",
    "deep JSON in a shape": f"UPDATE code SET shape = '{'[' * 100000}' WHERE id = 3",
    "deep JSON in the header": f"UPDATE header SET value = '{'[' * 100000}' WHERE key = 'machine'",
    "deep JSON in the subject": f"UPDATE header SET value = '{'[' * 100000}' WHERE key = 'subject'",
    "a number for a subject": "UPDATE header SET value = '5' WHERE key = 'subject'",
    "giant figures": f"UPDATE step SET figures = '{BIG}' WHERE id = 3",
    "deep figures": f"UPDATE step SET figures = '{'[' * 100000}' WHERE id = 3",
    "no figures": "UPDATE step SET figures = '' WHERE id = 3",
    "floats": "UPDATE step SET figures = replace(figures, '15', '1.5') WHERE id = 3",
    "null flags": "UPDATE step SET figures = replace(figures, '15', 'null') WHERE id = 3",
    "huge lengths": "UPDATE block SET lengths = x'ffffffffffffffffffffffff'",
    "odd lengths": "UPDATE block SET lengths = x'ffffff'",
    "rows that are not there": "UPDATE leaf SET rows = x'ffffffff'",
    "another dtype": "UPDATE leaf SET dtype = 'O'",
    "a float dtype": "UPDATE leaf SET dtype = '<f8'",
    "text as integers": "UPDATE leaf SET dtype = 'text'",
    "a leaf of another shape": "UPDATE leaf SET shape = '[3]' WHERE event = 2",
    "a leaf of huge shape": "UPDATE leaf SET shape = '[4000,4000]' WHERE event = 2",
    "a bomb": ("UPDATE block SET data = ?", (zlib.compress(bytes(1 << 28)),)),
    "a bomb for a result": ("UPDATE result SET data = ?", (zlib.compress(bytes(1 << 28)),)),
    "invalid UTF-8": "UPDATE code SET site = CAST(x'ff41' AS TEXT) WHERE id = 2",
    "invalid UTF-8 in figures": "UPDATE step SET figures = CAST(x'ff41' AS TEXT) WHERE id = 2",
    "invalid UTF-8 in the header": "UPDATE header SET value = CAST(x'ff41' AS TEXT) WHERE key = 'subject'",
    "a blob for a text": "UPDATE code SET site = x'4141' WHERE id = 2",
    "a text for a blob": "UPDATE block SET data = 'abc'",
    "a text for an integer": "UPDATE step SET epoch = 'x' WHERE id = 2",
    "a real for an integer": "UPDATE plan SET code = 1.5 WHERE id = 2",
    "nothing for a text": "UPDATE step SET phase = NULL WHERE id = 2",
    "negative counts": "UPDATE step SET events = -1 WHERE id = 2",
    "a huge count": "UPDATE step SET events = 9223372036854775807 WHERE id = 2",
    "a reference to itself": "UPDATE plan SET a = position + "
    "(SELECT first_event FROM step WHERE step.plan = plan.plan) WHERE a IS NOT NULL",
    "a forward reference": "UPDATE plan SET a = 99999999 WHERE a IS NOT NULL",
    "a reference before the beginning": "UPDATE plan SET a = -99999999 WHERE a IS NOT NULL",
    "operand 0": "UPDATE plan SET a = 0 WHERE a IS NOT NULL",
    "no operand": "UPDATE plan SET a = NULL",
    "an operand too many": "UPDATE plan SET c = -1",
    "a plan with a gap": "DELETE FROM plan WHERE position = 2",
    "no plans": "DELETE FROM plan",
    "no codes": "DELETE FROM code",
    "an unknown op": "UPDATE code SET op = 'exec' WHERE id = 4",
    "an unknown role": "UPDATE code SET role = 'root' WHERE id = 4",
    "an unknown mode": "UPDATE code SET overflow = 'trap' WHERE id = 4",
    "no bits": "UPDATE code SET bits = 0 WHERE id = 4",
    "many bits": "UPDATE code SET bits = 1000000 WHERE id = 4",
    "a line break in a site": "UPDATE code SET site = 'a' || char(10) || 'b' WHERE id = 4",
    "parameters of another op": "UPDATE code SET params = '[[1,2],7]' WHERE op = 'transpose'",
    "odd axes": "UPDATE code SET params = '[[0,0]]' WHERE op = 'transpose'",
    "an ending of its own": "UPDATE ending SET status = 'complete ' || char(27) || ']0;mine' || char(7)",
    "steps of nonsense": "UPDATE header SET value = '{\"first\": 0}' WHERE key = 'steps'",
    "steps that are none": "UPDATE header SET value = '[1, 2]' WHERE key = 'steps'",
    "no steps": "DELETE FROM header WHERE key = 'steps'",
    "steps without end": "UPDATE header SET value = '{\"first\": 1e999}' WHERE key = 'steps'",
    "an empty header": "DELETE FROM header WHERE key NOT IN ('semantics', 'ops')",
    "a machine of nonsense": "UPDATE header SET value = '{\"word\": true, \"roles\": 5}' WHERE key = 'machine'",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_contents_end_with_one_line(copy, what):
    before = contents(copy)
    start = time.monotonic()
    forge_or_edit(copy, HOSTILE[what])
    codes = every_command(copy)
    assert codes & {1, 3}, codes
    assert time.monotonic() - start < 20
    assert before


def forge_or_edit(path, statement):
    """With the chain made to fit, where what is left can be read at all: then it takes more than `verify` to see it."""
    with contextlib.suppress(Exception):
        forge(path, statement)


BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from click.testing import CliRunner
from pocketnn.cli import main
for args in (["trace", "verify"], ["replay"], ["trace", "info"]):
    result = CliRunner().invoke(main, [*args, sys.argv[1]])
    assert isinstance(result.exception, SystemExit) or result.exit_code == 0, result.exception
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(path):
    """Megabytes that reading a trace takes at most."""
    child = subprocess.run([sys.executable, "-c", BOUNDED, str(path)], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return int(child.stdout)


@pytest.fixture(scope="module")
def usual_peak(good):
    return peak(good)


SLOW = [pytest.param(what, marks=pytest.mark.slow) for what in ("rows a million times", "a million brackets")]


@pytest.mark.parametrize("what", ["a bomb", "huge text", *SLOW])
def test_memory_stays_bounded(copy, usual_peak, what):
    if what == "a bomb":
        size = (1 << 27) // 64
        lengths = np.full(64, size, "<u4").tobytes()
        edit(copy, ("UPDATE block SET lengths = ?, data = ?", (lengths, zlib.compress(bytes(1 << 27)))))
    elif what == "rows a million times":
        ones = np.zeros(1 << 22, "<u4").tobytes()
        edit(copy, ("UPDATE leaf SET rows = ?, shape = '[4000,4000]' WHERE event = 1", (ones,)))
    elif what == "a million brackets":
        edit(copy, ("UPDATE step SET figures = ? WHERE id = 3", ("[" + "[]," * 1_000_000 + "[]]",)))
    else:
        edit(copy, ("UPDATE step SET figures = ? WHERE id = 3", ("[" + "1," * (1 << 23) + "1]",)))
    assert peak(copy) < usual_peak + 500


@pytest.mark.parametrize("level", ["edit", "forge"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_of_any_cell_ends_well(good, tmp_path, level, data):
    """Fuzz: one cell of one table becomes anything; reading never raises anything but our own errors."""
    path = tmp_path / "t.pnt"
    path.write_bytes(good.read_bytes())
    table = data.draw(st.sampled_from(TABLES))
    columns = [row[1] for row in rows(path, f"PRAGMA table_info({table})")]
    column = data.draw(st.sampled_from(columns))
    ids = [row[0] for row in rows(path, f"SELECT rowid FROM {table}")]
    if not ids:
        return
    numbers = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-3, 40) | st.floats()
    known = ["add", "mac", "argmax", "[]", "[4]", "[[0]]", "host", "saturate", "{}"]
    texts = st.sampled_from(known) | st.text(max_size=9)
    value = data.draw(st.none() | numbers | texts | st.binary(max_size=9))
    with contextlib.suppress(sqlite3.Error, UnicodeError, TypeError, ValueError, AttributeError):
        change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, data.draw(st.sampled_from(ids)))
        (forge if level == "forge" else edit)(path, change)
    same = contents_or_none(path) == contents(good)
    try:
        verify(path)
        assert same or level == "forge"
        with Trace(path) as trace:
            replay(trace)
    except PocketNNError as error:
        assert not same
        assert error.exit_code in (3, 5)
        assert str(path) in str(error)


def contents_or_none(path):
    try:
        return contents(path)
    except sqlite3.Error:
        return None
