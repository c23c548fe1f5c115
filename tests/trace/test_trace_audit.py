"""What an audit of a trace says, recomputed from the operands of a replay in loops over plain Python integers."""

import itertools
import json
import math
import random

import pytest
from click.testing import CliRunner

from pocketnn.arith import Overflow, Vector
from pocketnn.cli import main
from pocketnn.machine import Machine, Widths
from pocketnn.trace import Player, Trace


def flat(value, shape):
    """Row-major Python integers, and a function from an index of a result to its place, with broadcasting."""
    items = [int(x) for x in value.reshape(-1).tolist()]
    steps = [math.prod(shape[i + 1 :]) if n != 1 else 0 for i, n in enumerate(shape)]
    return items, lambda index: sum(i * s for i, s in zip(index[len(index) - len(shape) :], steps, strict=True))


def quotient(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def terms_of(op, index, args, params):
    """The exact numbers that go one after the other into the register of one element; None for x / 0."""

    def at(n, where=index):
        items, place = args[n]
        return items[place(where)]

    if op == "mac":
        a, b = args
        inner = params["inner"]
        return [a[0][index[0] * inner + k] * b[0][k * params["columns"] + index[1]] for k in range(inner)]
    if op == "sum":
        axis = params["axis"]
        return [at(0, (*index[:axis], k, *index[axis + 1 :])) for k in range(params["length"])]
    if op == "select":
        below = args[1][0]
        return [args[2][0][next((i for i, limit in enumerate(below) if at(0) < limit), len(below))]]
    if op == "transpose":
        back = [0] * len(index)
        for place, axis in enumerate(params["axes"]):
            back[axis] = index[place]
        return [at(0, tuple(back))]
    if op == "argmax":
        length = params["length"]
        row = [at(0, (*index, k)) for k in range(length)]
        return [row.index(max(row))]
    if op == "div":
        return None if at(1) == 0 else [quotient(at(0), at(1))]
    return [
        {
            "load": lambda: at(0), "add": lambda: at(0) + at(1), "sub": lambda: at(0) - at(1),
            "mul": lambda: at(0) * at(1), "neg": lambda: -at(0), "max": lambda: max(at(0), at(1)),
            "clamp": lambda: min(max(at(0), at(1)), at(2)),
        }[op]()
    ]  # fmt: skip


def narrow(x, bits, wraps):
    """The register's contents, by the book."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if low <= x <= high:
        return x
    return (x - low) % 2**bits + low if wraps else low if x < low else high


def recomputed(path, bits, overflow, site):
    """Of one site on one machine: elements in all, events, elements touched, corrupted, and the exact ranges."""
    every = events = elements = corrupted = 0
    ends, reach = [], [0, 0]
    machine = Machine(Vector(), Widths.of(bits), overflow)
    with Trace(path) as trace:
        player = Player(trace, machine)
        for step in trace.steps:
            for one in trace.recorded(step):
                if one.code.site != site:
                    continue
                player.run(step, until=one.id)
                given = player.operands(one.id, one.code)
                code = one.code
                arity = max(code.op.arity, 1)
                values = [x.ints() if hasattr(x, "ints") else x for x in given[:arity]]
                shapes = [x.shape for x in values]
                params = dict(zip(code.op.params, given[arity:], strict=True))
                if shapes[0]:
                    params |= {"inner": shapes[0][-1], "length": shapes[0][params.get("axis", -1)]}
                    params["columns"] = shapes[-1][-1] if shapes[-1] else 1
                args = [flat(x, shape) for x, shape in zip(values, shapes, strict=True)]
                for index in itertools.product(*map(range, code.shape)):
                    terms = terms_of(code.op.name, index, args, params)
                    every += 1
                    if terms is None:
                        continue
                    register = touched = 0
                    for number, term in enumerate(terms):
                        product = narrow(term, bits, overflow is Overflow.WRAP)
                        before = register + product if number or code.op.name in ("mac", "sum") else product
                        register = narrow(before, bits, overflow is Overflow.WRAP)
                        touched += (product != term) + (register != before)
                    events += touched
                    elements += touched > 0
                    corrupted += register != sum(terms)
                    ends.append(sum(terms))
                    if code.op.name in ("mac", "sum"):
                        low, high = sum(t for t in terms if t < 0), sum(t for t in terms if t > 0)
                        reach = [min(reach[0], low), max(reach[1], high)]
            player.run(step)
    return every, (events, elements, corrupted), [min(ends), max(ends)] if ends else None, reach


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
