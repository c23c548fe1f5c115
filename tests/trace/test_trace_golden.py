"""The committed traces, the documentation of their format, and the SQL in it."""

import contextlib
import importlib.util
import json
import re
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from traced import chain_of, forge, machine, rows, trained

from pocketnn.arith import Vector, Word
from pocketnn.cli import main
from pocketnn.errors import VersionError
from pocketnn.machine import Machine
from pocketnn.trace import BACKENDS, Trace, record, replay, verify
from pocketnn.trace.diff import difference
from pocketnn.trace.player import Player
from pocketnn.trace.schema import APPLICATION_ID, COLUMNS, FORMAT, INTERVAL

TRACES = Path(__file__).parents[2] / "traces"
GOLDEN = sorted((TRACES / "golden").glob("*.pnt"))
DOCUMENT = (TRACES / "FORMAT.md").read_text(encoding="utf-8")
SQL = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def regenerate():
    spec = importlib.util.spec_from_file_location("regenerate", TRACES / "golden" / "regenerate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_they_are_small_and_as_many_as_the_script_makes():
    assert {path.stem for path in GOLDEN} == set(regenerate().GOLDEN)
    assert all(path.stat().st_size < 300_000 for path in GOLDEN)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_traces_replay(path):
    assert verify(path).status == "complete"
    with Trace(path) as trace:
        assert {code.to.word.bits for code in trace.codes.values()} <= {8, 16, 32, 48}
        assert replay(trace).first is None
        assert replay(trace, "reference", last=1).first is None  # the rest takes seconds: below


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_audit_of_a_golden_trace_judges_the_machine_that_was_recorded(path):
    with Trace(path) as trace:
        machine = f"{trace.widths} {trace.overflow.value}"
        flags = [event.figures.flags for step in trace.steps for event in trace.recorded(step)]
    found = CliRunner().invoke(main, ["audit", str(path)])
    overflowed = any(each.events or each.zero_divisions for each in flags)
    assert found.exit_code == int(overflowed)
    said = "OVERFLOWS" if overflowed else "no overflow"
    assert found.stdout.splitlines()[-1] == f"{machine}, as recorded: {said}"


@pytest.mark.slow
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_traces_replay_whole_on_every_backend(path, monkeypatch):
    with Trace(path) as trace:
        assert replay(trace, "reference").first is None
        monkeypatch.setitem(BACKENDS, "vector", lambda: Vector(measure=True, compiled=False))
        assert replay(trace).first is None


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "format1").glob("*.pnt")), ids=lambda path: path.stem)
def test_traces_of_format_1_are_read_still(path, tmp_path):
    """Committed before format 2 was: three of its golden traces. They do not say whether they are parts.

    What they hold, played into a recording of today's format, is the same run.
    """
    found = verify(path)
    assert (found.status, chain_of(path)[-1].hex()) == ("complete", found.chain)
    assert found.part == "PERHAPS PARTIAL: format 1 does not say whether steps were left out"
    again = tmp_path / path.name
    with Trace(path) as old:
        assert replay(old).first is None
        with record(Machine(Vector(), old.widths, old.overflow), again, old.full) as m:
            player = Player(old, m)
            for step in old.steps:
                player.run(step)
        with Trace(again) as new:
            assert difference(old, new) == []
    for args in (["trace", "info"], ["trace", "verify"], ["trace", "dump"], ["replay"], ["trace", "diff", str(again)]):
        assert CliRunner().invoke(main, [*args, str(path)]).exit_code == 4


def test_this_code_records_the_same_again():
    assert regenerate().differing() == []


def test_a_change_of_meaning_is_noticed(monkeypatch, tmp_path):
    module = regenerate()
    path = tmp_path / "dfa-8-wrap.pnt"
    path.write_bytes((TRACES / "golden" / path.name).read_bytes())
    text = rows(path, "SELECT figures FROM step WHERE id = 2")[0][0]
    entries = json.loads(text)
    entries[5][2] += 1
    forge(path, ("UPDATE step SET figures = ? WHERE id = 2", (json.dumps(entries, separators=(",", ":")),)))
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "GOLDEN", {"dfa-8-wrap": module.GOLDEN["dfa-8-wrap"], "gone": lambda path: None})
    first, second = module.differing()
    assert "step 2" in first
    assert second == "gone: missing"


def test_a_new_semantics_number_needs_new_traces(monkeypatch):
    monkeypatch.setattr("pocketnn.trace.database.SEMANTICS", 999)
    with pytest.raises(VersionError, match="semantics"):
        regenerate().differing()


def test_the_chain_of_each_is_the_documented_one():
    for path in GOLDEN:
        assert chain_of(path)[-1].hex() == verify(path).chain


# --- FORMAT.md ---------------------------------------------------------------------------------------------------


def test_the_document_names_every_table_and_column():
    for table, columns in COLUMNS.items():
        start = DOCUMENT.index(f"**`{table}`**")
        paragraph = DOCUMENT[start : DOCUMENT.index("\n\n", start)]
        for column in columns.split(", "):
            assert f"`{column.split(' ')[0]}`" in paragraph, (table, column)
    view = DOCUMENT[DOCUMENT.index("## The view") :]
    for (name,) in rows(GOLDEN[0], "SELECT name FROM pragma_table_info('event')"):
        assert f"`{name}`" in view, name
    assert f"format {FORMAT}" in DOCUMENT.splitlines()[0]
    assert f"{APPLICATION_ID:#x}" in DOCUMENT
    assert f"{INTERVAL} *i*" in DOCUMENT


@pytest.mark.parametrize("number", range(len(SQL)))
def test_the_sql_in_the_document_runs(tmp_path, number):
    trained(tmp_path / "t.pnt", machine(16))
    assert rows(tmp_path / "t.pnt", SQL[number])


def test_what_the_sql_answers_is_right(tmp_path):
    assert len(SQL) == 4
    path = tmp_path / "t.pnt"
    m, _ = trained(path, machine(16, backend=Vector(measure=True)))
    overflowing = {row[0]: row[4] for row in rows(path, SQL[0])}
    assert overflowing == {site.name: site.flags.events for site in m.ledger if site.flags.events}
    bits = {row[0]: row[3] for row in rows(path, SQL[1])}
    for site in m.ledger:
        if site.span:
            assert bits[site.name] == Word.holding(site.span.least, site.span.most), site.name
    first = {row[0]: row[1] for row in rows(path, SQL[2])}
    with Trace(path) as trace:
        expected = {}
        for step in trace.steps:
            for recorded in trace.recorded(step):
                span = recorded.figures.span
                if span and (span.least < -32768 or span.most > 32767):
                    expected.setdefault(recorded.code.site, step.id)
    assert first == expected
    assert expected


def test_the_view_says_what_the_reader_says():
    for path in GOLDEN[:3]:
        with contextlib.closing(sqlite3.connect(path)) as db, Trace(path) as trace:
            query = "SELECT id, step, site, op, bits, a, b, lo, hi, least, events, digest FROM event ORDER BY id"
            found = db.execute(query)
            every = (r for step in trace.steps for r in trace.recorded(step))
            for row, recorded in zip(found, every, strict=True):
                span, digest, flags = recorded.figures
                operands = (*recorded.operands, None, None)[:2]
                code = recorded.code
                assert row[:7] == (recorded.id, recorded.step.id, code.site, code.op.name, code.to.word.bits, *operands)
                assert row[7:] == (span.lo, span.hi, span.least, flags.events, digest)


def test_commands_on_a_golden_trace():
    for args in (["info"], ["verify"], ["dump"]):
        assert CliRunner().invoke(main, ["trace", *args, str(GOLDEN[0])]).exit_code == 0
