"""What an audit of a trace says, recomputed from the operands of a replay in loops over plain Python integers."""

import json
import random

import pytest
from byhand import recomputed
from click.testing import CliRunner

from pocketnn.arith import Overflow
from pocketnn.cli import main


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
