"""The audit of a whole training on MNIST: numbers of its report, each computed once more in two other ways.

30 pairs of a site and a machine are drawn from those that run in every step. While the report's own runs go by, their
operands are taken at these sites, and everything that the report says of the pairs is added up from them by bulk.py, in
int64 over all 9,180 steps of 3 epochs. In some of the steps what bulk.py says of an element is computed again by
byhand.py, in plain Python integers: too slow for all of them (at the largest site alone 21 thousand million terms). One
step is also recorded into a trace, and every number of an audit of that trace is recomputed by byhand.py whole.
"""

import random
from itertools import product

import numpy as np
import pytest
from bulk import bulk
from byhand import Event, recomputed

from pocketnn.arith import Backend, Overflow, Role
from pocketnn.audit import Target, Training, as_data, audit_source
from pocketnn.audit.replayed import Replayed
from pocketnn.data import load_dataset
from pocketnn.machine import Widths
from pocketnn.recipe import Recipe
from pocketnn.trace import Trace, record

MACHINES = [(bits, overflow) for bits in (8, 16, 32) for overflow in Overflow]
ASKED = Target(Widths.of(16), Overflow.WRAP)
EVERY = 1500  # every so many calls of a site some of its elements are computed by hand
BY_HAND = 40


class Tally:
    """What happened at one site in a run, added up."""

    def __init__(self, site, rng):
        self.site, self.rng = site, rng
        self.calls = self.elements = self.by_hand = 0
        self.counts = dict.fromkeys(("events", "elements", "corrupted", "transient", "zero_divisions", "vanished"), 0)
        self.range, self.any_order = [1 << 63, -(1 << 63)], [1 << 63, -(1 << 63)]

    def add(self, op, given, to):
        bits, wraps = to.word.bits, to.overflow is Overflow.WRAP
        found = bulk(op, given, bits, wraps)
        self.calls += 1
        self.elements += found.exact.size
        touched, wrong = found.events > 0, (found.stored != found.exact) & ~found.zero
        for name, number in (
            ("events", found.events.sum()),
            ("elements", touched.sum()),
            ("corrupted", wrong.sum()),
            ("transient", (touched & ~wrong).sum()),
            ("zero_divisions", found.zero.sum()),
            ("vanished", found.lost if to.role is Role.UPDATE else 0),
        ):
            self.counts[name] += int(number)
        if not found.zero.any():
            ends = found.exact.min(), found.exact.max(), found.least.min(), found.most.max()
            lo, hi, least, most = map(int, ends)
            self.range = [min(self.range[0], lo), max(self.range[1], hi)]
            self.any_order = [min(self.any_order[0], least), max(self.any_order[1], most)]
        if self.calls % EVERY == 1:
            self.check_by_hand(Event(op, given, bits, wraps), found)

    def check_by_hand(self, event, found):
        for place in {self.rng.randrange(found.exact.size) for _ in range(BY_HAND)}:
            index = tuple(int(i) for i in np.unravel_index(place, found.exact.shape))
            element = event.at(index)
            assert (element is None) == bool(found.zero[index]), (self.site, index)
            if element is not None:
                own = [int(getattr(found, name)[index]) for name in ("events", "stored", "exact")]
                assert own == [element.events, element.stored, element.exact], (self.site, index)
                if event.name in ("mac", "sum"):
                    assert (int(found.least[index]), int(found.most[index])) == element[3:], (self.site, index)
            self.by_hand += 1


class Watched(Backend):
    """Passes every op on, and adds up those of some sites."""

    def __init__(self, inner, tallies):
        self.inner, self.tallies = inner, tallies

    def apply(self, op, args, to, site):
        tally = self.tallies.get(site)
        if tally is not None:
            arity = op.arity
            given = [np.asarray(args[0]).astype(np.int64)] if op.name == "load" else [x.ints() for x in args[:arity]]
            tally.add(op, [*given, *args[arity:]], to)
        return self.inner.apply(op, args, to, site)


class WatchedTraining:
    """A training whose runs are watched. tallies: by machine's name, then by site."""

    def __init__(self, training, tallies):
        self.training, self.tallies = training, tallies
        self.subject = training.subject
        self.recording = None

    def run(self, machine, progress=None):
        uniform = not machine.widths.roles  # the run that confirms the proposal is not
        bits = machine.widths.word.bits
        name = "exact" if bits == 48 else f"{bits} {machine.overflow.value}"
        tallies = self.tallies.get(name, {}) if uniform else {}
        return self.training.run(machine.over(Watched(machine.backend, tallies)), progress)


def drawn(recipe, data, rng):
    """30 pairs of a site and a machine's name, of the sites that run in every step."""
    report = audit_source(Training(load_dataset(data, 40), recipe), [ASKED], (16,))
    sites = [site.site for site in report.sites if site.calls > 1]
    return rng.sample(list(product(sites, [f"{bits} {overflow.value}" for bits, overflow in MACHINES])), 30)


def audited(data, limit, recipe, path, traced):
    """The report as plain data, the pairs, and what was tallied: of the exact run and of each machine, by site."""
    rng = random.Random(3)
    pairs = drawn(recipe, data, rng)
    tallies = {"exact": {site: Tally(site, rng) for site, _ in pairs}}
    for site, machine in pairs:
        tallies.setdefault(machine, {})[site] = Tally(site, rng)
    source = WatchedTraining(Training(load_dataset(data, limit), recipe), tallies)
    report = audit_source(source, [ASKED], (8, 16, 32), recorder=lambda m: record(m, path, first=traced, last=traced))
    return as_data(report), pairs, tallies


def check_report(said, pairs, tallies):
    sites = {site["site"]: site for site in said["sites"]}
    emulated = {run["machine"]: run["emulated"] for run in said["runs"]}
    overflowed = 0
    for site, machine in pairs:
        exact, there = tallies["exact"][site], sites[site]["machines"][machine]
        assert (sites[site]["calls"], sites[site]["elements"]) == (exact.calls, exact.elements), site
        assert sites[site]["range"] == exact.range, site
        assert sites[site]["any_order"] == exact.any_order, site
        if emulated[machine]:
            tally = tallies[machine][site]
        else:  # the report says that the exact run fits it, which the range says as well
            half = 1 << (int(machine.split()[0]) - 1)
            assert -half <= exact.any_order[0] <= exact.any_order[1] < half, (site, machine)
            tally = exact
        assert {name: there[name] for name in tally.counts} == tally.counts, (site, machine)
        assert tally.by_hand >= 6, site
        overflowed += there["events"] > 0
    assert overflowed >= 4
    assert sum(emulated.values()) == 5  # exactly, and on 8 and 16 bits in both modes


def check_trace(path, pairs):
    """Of the step in the trace every number, by hand."""
    with Trace(path) as trace:
        said = as_data(audit_source(Replayed(trace), [ASKED], (8, 16, 32)))
    sites = {site["site"]: site for site in said["sites"]}
    for site, machine in pairs:
        bits, mode = machine.split()
        every, counts, _, _ = recomputed(path, int(bits), Overflow(mode), site)
        there = sites[site]["machines"][machine]
        assert counts == (there["events"], there["elements"], there["corrupted"]), (site, machine)
        assert every == sites[site]["elements"], site
        _, _, ends, reach = recomputed(path, 48, Overflow.WRAP, site)
        assert ends == sites[site]["range"], site
        if sites[site]["op"] in ("mac", "sum"):
            assert reach == sites[site]["any_order"], site


@pytest.mark.slow
def test_mnist_by_two_other_ways(tmp_path, datasets):
    pytest.importorskip("numba", reason="needs the compiled kernel, for hours without: pip install '.[fast]'")
    path = tmp_path / "step.pnt"
    said, pairs, tallies = audited("mnist", None, Recipe(epochs=3), path, traced=4567)
    epochs = said["runs"][0]["scores"]["loss_sums"]
    assert (epochs, said["runs"][0]["scores"]["test_correct"]) == ([1070190, 597476, 489390], 9643)
    check_report(said, pairs, tallies)
    check_trace(path, pairs)
