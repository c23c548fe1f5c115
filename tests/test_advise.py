"""Advice: each change is the smallest of its kind, and what it says of it is what a run of its own gives."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import blobs

from pocketnn.arith import INT16, INT32, OPS, Overflow, Register, Role, Word
from pocketnn.audit import Evaluation, Target, Training, as_data, as_html, as_text, audit_source
from pocketnn.audit.advise import _Watched
from pocketnn.data import load_dataset
from pocketnn.errors import OverflowTrap
from pocketnn.machine import Machine, SiteKey, Widths
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved
from pocketnn.train import train

DATA = load_dataset("digits", 200)
RECIPE = Recipe((16,), epochs=1, batch=20)
SITE = SiteKey("site", "mac", Role.ACCUMULATOR)
ASKED = Target(Widths(INT16), Overflow.WRAP)


@pytest.fixture(scope="module")
def report():
    return audit_source(Training(DATA, RECIPE), [ASKED], (16,), advice=True)


def overflows(recipe, widths, site):
    machine = Machine(None, widths, Overflow.WRAP)
    run = train(machine, DATA, recipe)
    return machine.ledger.sites[site].overflowed, run.test_correct


def test_every_kind_of_change_is_tried(report):
    changes = [advice.change for advice in report.advice]
    assert [change.split()[0] for change in changes] == ["batches", "inputs", "accumulator", "partial"]
    assert all(advice.site == report.focus.first.key for advice in report.advice)


def test_each_is_the_smallest_of_its_kind_and_reaches_what_it_says(report):
    batches, inputs, wider, _ = report.advice
    batch = int(batches.change.split()[-1])
    shift = int(inputs.change.split("^")[1])
    bits = int(wider.change.split()[-2])
    ladders = [
        [(replace(RECIPE, batch=n), ASKED.widths) for n in (20, 10, 5, 2, 1) if n >= batch],
        [(replace(RECIPE, input_shift=n), ASKED.widths) for n in range(shift + 1)],
        [(RECIPE, Widths(INT16, {Role.ACCUMULATOR: Word(n)})) for n in (16, 32, 48) if n <= bits],
    ]
    for advice, ladder in zip(report.advice, ladders, strict=False):
        runs = [overflows(recipe, widths, advice.site) for recipe, widths in ladder]
        assert [failed for failed, _ in runs] == [True] * (len(runs) - 1) + [False], advice.change
        assert runs[-1][1] == advice.outcome.scores.test_correct


def test_weights_are_clamped_no_more_than_it_takes(report):
    forward = next(site for site in report.sites if site.site == "fc1.forward.mac")
    widths = Widths(Word(forward.result_bits - 1))
    advised = audit_source(Training(DATA, RECIPE), [Target(widths, Overflow.WRAP)], (16,), advice=True)
    assert advised.focus.first.site == forward.site
    clamp = next(advice for advice in advised.advice if advice.change.startswith("weights"))
    limit = int(clamp.change.split("-")[-1])
    assert limit + 1 in [1 << n for n in range(1, 16)]
    assert overflows(replace(RECIPE, weight_limit=2 * limit + 1), widths, forward.key)[0]
    assert overflows(replace(RECIPE, weight_limit=limit), widths, forward.key) == (
        False,
        clamp.outcome.scores.test_correct,
    )


def test_a_split_sum_is_the_same_sum_and_its_parts_are_watched():
    rng = np.random.default_rng(3)
    a, b = rng.integers(-100, 100, (4, 50)), rng.integers(-100, 100, (50, 3))
    load, wide = OPS["load"], Register(Role.ACCUMULATOR, INT32)
    expected = a @ b
    for chunk in (1, 2, 7, 64):
        backend = _Watched(SITE, chunk, INT32)
        args = tuple(backend.apply(load, (x,), wide, "load").value for x in (a, b))
        assert np.array_equal(backend.apply(OPS["mac"], args, wide, "site").value.ints(), expected)
    partial = max(
        abs(int(a[i, k : k + 2] @ b[k : k + 2, j])) for i in range(4) for j in range(3) for k in range(0, 50, 2)
    )
    enough = Word.holding(-partial, partial)
    backend = _Watched(SITE, 2, Word(enough + 1))  # a bit more for the products
    args = tuple(backend.apply(load, (x,), wide, "load").value for x in (a, b))
    assert np.array_equal(backend.apply(OPS["mac"], args, wide, "site").value.ints(), expected)
    backend = _Watched(SITE, 2, Word(enough - 1))
    with pytest.raises(OverflowTrap):
        backend.apply(OPS["mac"], args, wide, "site")


def test_of_saved_weights_the_clamp_is_tried_too():
    parameters = {"fcLast_weight": np.full((12, 3), 9000), "fcLast_bias": np.zeros((1, 3), int)}
    source = Evaluation("w.npz", Saved(parameters, Recipe(())), blobs(60))
    report = audit_source(source, [ASKED], (16,), advice=True)
    clamp = next(advice for advice in report.advice if advice.change.startswith("weights"))
    limit = int(clamp.change.split("-")[1])
    images = blobs(60).test.images.astype(int)
    assert (images.sum(1) * limit).max() <= 32767 < (images.sum(1) * (2 * limit + 1)).max()


def test_without_an_overflow_there_is_nothing_to_advise():
    report = audit_source(Training(blobs(60), RECIPE), [Target(Widths(INT32), Overflow.WRAP)], (32,), advice=True)
    assert report.advice == ()


def test_advice_is_on_every_kind_of_report(report):
    text = "\n".join(as_text(report))
    page = as_html(report)
    assert max(map(len, text.splitlines())) <= 100
    for advice, entry in zip(report.advice, as_data(report)["advice"], strict=True):
        assert advice.change in text
        assert advice.change in page
        assert entry["change"] == advice.change
