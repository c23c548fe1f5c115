"""gcc's overflow sanitizer as an independent witness: it counts where, how often and in which direction."""

import itertools
import re
from collections import Counter

import numpy as np
from exporting import export_digits, machine, require

from pocketnn.arith import Role, narrowings, plain
from pocketnn.export import export, run_target
from pocketnn.export.graph import keyed
from pocketnn.trace import Program, Recorder


def witnessed(folder):
    """Overflows above and below the range by site, as the sanitizer saw them."""
    require("witness")
    lines = (folder / "network.c").read_text().splitlines()
    found = Counter()
    for line, above, below in re.findall(r"^overflow (\d+) (\d+) (\d+)$", run_target(folder, "witness"), re.M):
        comment = next(x for x in reversed(lines[: int(line)]) if x.startswith("    /* "))
        site = comment.split()[1].rstrip(":")
        found[site, "above"] += int(above)
        found[site, "below"] += int(below)
    return +found


def emulated(run, live, steps):
    """The same by the plain-integer definition, narrowing by narrowing."""
    m, program = machine(32), Program()
    with Recorder(m, program) as recorder:
        run(m.over(recorder), steps)
    found = Counter()
    for moment, events in program.steps:
        if moment.phase == "build":
            continue
        for (site, _), event in keyed(events).items():
            if site not in live or event.outside is not None:
                continue
            code = event.result.code
            args = (*[plain(x.ints()) for x in event.operands], *code.params)
            for index in itertools.product(*map(range, code.shape)):
                for step in narrowings(code.op, args, index, code.to):
                    if step.exact != step.stored:
                        found[site, "above" if step.exact > 0 else "below"] += 1
    return found


def test_a_safe_network_has_no_witness(tmp_path):
    export_digits(machine(32), tmp_path / "out", True, 5, plain=True)
    assert witnessed(tmp_path / "out") == Counter()


def test_an_overflowing_program_has_as_many_as_the_emulator_counts(tmp_path):
    def run(m, steps):
        rng = np.random.default_rng(5)
        weights = m.load(rng.integers(-(2**31), 2**31, (12, 6)), Role.WEIGHT, at="weights")
        bias = m.load(rng.integers(-(2**31), 2**31, (1, 6)), Role.BIAS, at="bias")
        least = m.constant(-1, "minus_one")
        for step in range(1, steps + 1):
            m.now("test", 0, step)
            x = m.load(rng.integers(-9, 10, (5, 12)).astype(np.int8), Role.INPUT)
            y = m.add(m.mac(x, weights), bias)
            z = m.mul(m.sub(y, m.neg(bias)), y)
            m.sum(z, 0)
            m.div(m.clamp(y, bias, m.neg(m.load(np.array([-(2**31)]), Role.BIAS, at="lowest"), at="wrapped")), least)

    exported = export(machine(32), run, tmp_path / "out", 4, plain=True)
    found = witnessed(tmp_path / "out")
    assert found == emulated(run, {node.key[0] for node in exported.source.program.nodes}, 4)
    assert {site for site, _ in found} >= {"mac", "add", "sub", "mul", "sum", "wrapped", "div"} - {"div"}
    assert {direction for _, direction in found} == {"above", "below"}
