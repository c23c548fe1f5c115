"""What recipes reach: the protocol, the verdict beside the number, and `pocketnn bench accuracy`."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import blobs

from pocketnn.accuracy import curve, mean_and_deviation, measure
from pocketnn.arith import INT8
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import train


def test_runs_are_those_of_train_seed_by_seed():
    dataset = blobs(120)
    recipes = [Recipe((6,), epochs=2, batch=5, seed=seed) for seed in (1, 2)]
    runs = list(measure(dataset, recipes, Widths()))
    for run, recipe in zip(runs, recipes, strict=True):
        machine = Machine()
        same = train(machine, dataset, recipe)
        assert (run.seed, run.curve) == (recipe.seed, tuple(epoch.test_correct for epoch in same.epochs))
        assert run.percent == 100 * same.test_correct / same.test_total
        assert run.flags == machine.ledger.flags
    assert runs[0].flags != runs[1].flags
    mean, deviation = mean_and_deviation(runs)
    first, second = (run.percent for run in runs)
    assert mean == pytest.approx((first + second) / 2)
    assert deviation == pytest.approx(abs(first - second) / 2**0.5)
    assert mean_and_deviation(runs[:1]) == (first, 0.0)
    assert curve(runs) == tuple(sum(run.curve[epoch] for run in runs) / 2 / run.total * 100 for epoch in range(2))
    assert curve(runs)[-1] == mean


def test_overflow_stands_beside_the_number():
    (run,) = measure(blobs(60), [Recipe((6,), epochs=1, batch=5)], Widths(INT8))
    assert run.flags.events > 0


def test_held_out_images_are_the_last_sixth_of_the_training_images():
    dataset = load_dataset("digits")
    held = dataset.held_out()
    count = len(dataset.train.labels)
    assert len(held.test.labels) == count // 6
    assert np.array_equal(np.concatenate([held.train.images, held.test.images]), dataset.train.images)
    assert np.array_equal(np.concatenate([held.train.labels, held.test.labels]), dataset.train.labels)


def run(*args, code=0):
    result = CliRunner().invoke(main, ["bench", "accuracy", *args])
    assert result.exit_code == code, result.output
    return result.stdout


SMALL = ["--recipe", "reference", "--data", "digits", "--epochs", "1", "--seeds", "1,2", "--limit", "200"]


def test_the_table_and_the_json_say_the_same():
    data = json.loads(run(*SMALL, "--json"))
    (entry,) = data["recipes"]
    assert data["judged_on"] == "test"
    assert [len(run["curve"]) for run in entry["runs"]] == [1, 1]
    assert entry["mean"] == sum(run["curve"][-1] for run in entry["runs"]) / 2 / 200 * 100
    _, row, by_epoch = run(*SMALL).splitlines()
    assert by_epoch == f"  after epoch 1 {entry['mean']:.2f}"
    assert row.split() == [
        "reference", "digits", "2", f"{entry['mean']:.2f}", "+-", f"{entry['deviation']:.2f}", "%", "1", "32",
        "no", "overflow",
    ]  # fmt: skip


def test_one_seed_has_no_deviation():
    _, row, _ = run(*SMALL[:-4], "--seeds", "3", "--limit", "100").splitlines()
    assert row.split()[2] == "1"
    assert "+-" not in row


def test_a_narrow_machine_is_named_and_its_overflows_are_counted():
    _, row, _ = run(*SMALL, "--word", "8").splitlines()
    assert row.split()[8] == "8"
    assert "overflows" in row


def test_the_curve_names_the_first_epochs_every_tenth_and_the_last():
    *_, by_epoch = run(*SMALL, "--epochs", "12").splitlines()
    assert by_epoch.split()[2::2] == ["1", "2", "3", "10", "12"]


def test_validation_never_sees_the_test_images():
    data = json.loads(run(*SMALL, "--validation", "--json"))
    assert data["judged_on"] == "validation"
    assert data["recipes"][0]["runs"][0]["total"] == 200 // 6
    assert data["recipes"][0]["runs"][0]["train_total"] == 200 - 200 // 6
