"""What an audit of a trace says, recomputed from the operands of a replay in loops over plain Python integers."""

import json
import random
import re

import pytest
from byhand import recomputed
from click.testing import CliRunner

import pocketnn
from pocketnn.arith import Overflow, Role
from pocketnn.cli import main
from pocketnn.machine import Machine, Widths


def check(tmp_path, picks, *options):
    path = tmp_path / "t.pnt"
    run = ["--hidden", "6", "--epochs", "1", "--batch", "10", *options, "--trace", str(path)]
    assert CliRunner().invoke(main, ["train", *run]).exit_code == 0
    found = CliRunner().invoke(main, ["audit", str(path), "--words", "8,12", "--json"])
    said = {site["site"]: site for site in json.loads(found.stdout)["sites"]}
    rng = random.Random(7)
    pairs = [(site, m) for site in said for m in ("8 wrap", "8 saturate", "12 wrap", "12 saturate")]
    overflowed = 0
    for site, machine in rng.sample(pairs, picks):
        bits, mode = machine.split()
        every, counts, _, _ = recomputed(path, int(bits), Overflow(mode), site)
        there = said[site]["machines"][machine]
        assert counts == (there["events"], there["elements"], there["corrupted"]), (site, machine)
        assert every == said[site]["elements"], site
        _, _, ends, reach = recomputed(path, 48, Overflow.WRAP, site)
        assert ends == said[site]["range"], site
        if said[site]["op"] in ("mac", "sum"):
            assert reach == said[site]["any_order"], site
        overflowed += counts[0] > 0
    assert overflowed > 2


def test_counts_and_ranges_of_30_sites_and_widths_by_hand(tmp_path):
    check(tmp_path, 30, "--limit", "20")


@pytest.mark.slow
def test_counts_and_ranges_of_more_sites_on_more_steps_by_hand(tmp_path):
    check(tmp_path, 80, "--limit", "60")


def two_kinds(m):
    """One name for two registers and for two ops, as in a residual block that leaves names at their defaults."""
    x = m.load([[30000, 1]], Role.INPUT, at="s")
    m.add(x, x, Role.LOSS, at="s")
    return m.add(x, m.load([[1, 2]], Role.WEIGHT, at="s"), at="s")


def test_two_kinds_under_one_name_are_two_rows_everywhere(tmp_path):
    path, page, log = tmp_path / "t.pnt", tmp_path / "t.html", tmp_path / "t.sarif"
    with pocketnn.record(Machine(), path) as m:
        two_kinds(m)
    options = ["--word", "15+input=16+loss=32", "--words", "16", "--html", str(page), "--sarif", str(log)]
    found = CliRunner().invoke(main, ["audit", str(path), *options])
    assert found.exit_code == 1
    rows = [line for line in found.stdout.splitlines() if line.startswith("s (")]
    assert [row.split(")")[0] for row in rows] == [
        "s (load, input",
        "s (add, loss",
        "s (load, weight",
        "s (add, accumulator",
    ]
    assert [row.split()[-2] for row in rows] == ["+0", "+15", "+12", "50%"]
    data = json.loads(CliRunner().invoke(main, ["audit", str(path), *options, "--json"]).stdout)
    assert [
        (
            site["site"],
            site["op"],
            site["role"],
            site["range"],
            site["counts"][17],
            site["machines"][data["judged"][0]]["events"],
        )
        for site in data["sites"]
    ] == [
        ("s", "load", "input", [1, 30000], 0, 0),
        ("s", "add", "loss", [2, 60000], 1, 0),
        ("s", "load", "weight", [1, 2], 0, 0),
        ("s", "add", "accumulator", [3, 30001], 0, 1),
    ]
    assert data["proposal"]["bits"] == {"input": 16, "weight": 3, "accumulator": 16, "loss": 17}
    anchors = re.findall(r'<article class="card" id="([^"]*)"', page.read_text())
    assert sorted(anchors) == ["site-s-add-accumulator", "site-s-add-loss", "site-s-load-input", "site-s-load-weight"]
    assert 'It breaks first at <a href="#site-s-add-accumulator"><code>s (add, accumulator)</code>' in page.read_text()
    (result,) = json.loads(log.read_text())["runs"][0]["results"]
    assert result["message"]["text"].startswith("s (add, accumulator) on a 15+input=16+loss=32 wrap machine")


@pytest.mark.parametrize(
    ("options", "code", "last"),
    [
        ([], 1, ["16+loss=32 saturate, as recorded: OVERFLOWS"]),
        (["--words", "32"], 1, ["16+loss=32 saturate, as recorded: OVERFLOWS", "32 saturate: no overflow"]),
        (
            ["--word", "32"],
            0,
            [
                "not judged: 8 saturate: OVERFLOWS; 16 saturate: OVERFLOWS; 16+loss=32 saturate, as recorded:",
                "  OVERFLOWS",
                "32 saturate: no overflow",
            ],
        ),
        (["--accumulator", "17"], 0, ["16+accumulator=17+loss=32 saturate: no overflow"]),
        (["--overflow", "wrap"], 1, ["16+loss=32 wrap: OVERFLOWS"]),
    ],
)
def test_the_machine_that_was_recorded_is_judged_unless_another_is_asked_for(tmp_path, options, code, last):
    path = tmp_path / "t.pnt"
    with pocketnn.record(Machine(widths=Widths.parse("16+loss=32"), overflow=Overflow.SATURATE), path) as m:
        x = m.load([[30000, 1]], Role.INPUT)
        m.add(x, x, Role.LOSS, at="s")
        m.add(x, x, at="s")
    found = CliRunner().invoke(main, ["audit", str(path), *options])
    assert found.stdout.splitlines()[-len(last) :] == last
    assert found.exit_code == code
    data = json.loads(CliRunner().invoke(main, ["audit", str(path), *options, "--json"]).stdout)
    assert data["recorded"] == "16+loss=32 saturate"
    (own,) = [run for run in data["runs"] if run["machine"] == data["recorded"]]
    assert own["first_overflow"]["role"] == "accumulator"


def test_an_audit_of_nothing_fails(tmp_path):
    path, page = tmp_path / "t.pnt", tmp_path / "t.html"
    with pocketnn.record(Machine(), path) as m:
        m.load([], Role.INPUT)
    for options, code in (([], 1), (["--fail-on", "corrupted"], 1), (["--fail-on", "none"], 0)):
        found = CliRunner().invoke(main, ["audit", str(path), "--html", str(page), *options])
        assert found.exit_code == code
        assert found.stdout.splitlines()[-1] == "32 wrap, as recorded: NOTHING JUDGED, for no op ran"
        assert "no overflow" not in found.stdout.lower()
        assert "NOTHING JUDGED, for no op ran." in page.read_text()
    data = json.loads(CliRunner().invoke(main, ["audit", str(path), "--json"]).stdout)
    assert data["ran"] is False


def test_a_part_that_overflows_fails_and_one_that_does_not_is_incomplete(tmp_path):
    """The first of three steps is clean: nobody may conclude that all are."""
    path = tmp_path / "t.pnt"
    for first, code, said in ((1, 4, "no overflow (PARTIAL: steps 1 to 1 of 3)"), (2, 1, "OVERFLOWS")):
        with pocketnn.record(Machine(), path, first=first, last=first) as m:
            for step in (1, 2, 3):
                m.now("test", 1, step)
                m.mul(m.load(1 << 20, Role.INPUT), m.load(step << 10, Role.INPUT))
        found = CliRunner().invoke(main, ["audit", str(path)])
        assert (found.exit_code, found.stdout.splitlines()[-1]) == (code, f"32 wrap, as recorded: {said}")
        path.unlink()
