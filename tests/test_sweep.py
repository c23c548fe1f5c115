"""Sweeps: on any executor the results of runs on their own, once each, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner

from pocketnn.arith import Overflow, Word
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.errors import DataError, UsageError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.sweep import Job, Plan, run_sweep
from pocketnn.train import train

PLAN = Plan("digits", 100, Recipe((8,), epochs=1), (8, 16), ("wrap", "saturate"), (10, 20), (500,), (1, 2))
SMALL = ["--limit", "100", "--hidden", "8", "--epochs", "1", "--words", "8,16", "--batches", "10,20", "--seeds", "1,2"]


class Here:
    """An executor that runs a job when it is submitted, and counts."""

    def __init__(self, fail_at=None):
        self.count = 0
        self.fail_at = fail_at

    def submit(self, function, *args):
        future = Future()
        self.count += 1
        if self.count == self.fail_at:
            future.set_exception(RuntimeError("lost"))
        else:
            future.set_result(function(*args))
        return future


def test_every_result_is_that_of_a_run_of_its_own(tmp_path):
    lines = run_sweep(PLAN, tmp_path / "s.jsonl", Here())
    assert len(lines) == len(list(PLAN.jobs())) == 2 * 2 * 5
    dataset = load_dataset("digits", 100)
    for line, job in zip(lines, PLAN.jobs(), strict=True):
        machine = Machine(None, Widths(Word(job.word or 48)), Overflow(job.overflow or "wrap"))
        run = train(machine, dataset, PLAN.recipe_of(job))
        assert (line["test_correct"], line["final_train_correct"]) == (run.test_correct, run.final_train_correct)
        flags = machine.ledger.flags
        assert (line["flags"]["events"], line["flags"]["corrupted"]) == (flags.events, flags.corrupted)
        assert (line["bits"] is None) == (job.word is not None)


def test_any_executor_gives_the_same(tmp_path):
    here = run_sweep(PLAN, tmp_path / "a.jsonl", Here())
    with ThreadPoolExecutor(3) as threads:
        assert run_sweep(PLAN, tmp_path / "b.jsonl", threads) == here


def test_a_learning_rate_of_each_layer(tmp_path):
    plan = replace(PLAN, words=(8,), seeds=(1,), batches=(10,), lr_invs=((500, 700), 600))
    lines = run_sweep(plan, tmp_path / "s.jsonl", Here())
    assert [line["lr_inv"] for line in lines] == [[500, 700]] * 3 + [600] * 3
    again = Here()
    assert run_sweep(plan, tmp_path / "s.jsonl", again) == lines
    assert again.count == 0


def test_what_is_done_is_not_done_again(tmp_path):
    path = tmp_path / "s.jsonl"
    with pytest.raises(RuntimeError, match="lost"):
        run_sweep(PLAN, path, Here(fail_at=8))
    kept = len(path.read_text().splitlines()) - 1
    assert kept < 20
    again = Here()
    lines = run_sweep(PLAN, path, again)
    assert again.count == 20 - kept
    assert lines == run_sweep(PLAN, tmp_path / "other.jsonl", Here())
    more = Here()
    run_sweep(replace(PLAN, seeds=(2, 3)), path, more)
    assert more.count == 10


@pytest.mark.parametrize("cut", [1, 50, 400])
def test_a_line_that_was_cut_off_is_done_again(tmp_path, cut):
    path = tmp_path / "s.jsonl"
    lines = run_sweep(PLAN, path, Here())
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = Here()
    assert run_sweep(PLAN, path, again) == lines
    assert again.count == 1
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


@pytest.mark.parametrize("length", [0, 1, 40])
def test_a_header_that_was_cut_off_is_written_again(tmp_path, length):
    path = tmp_path / "s.jsonl"
    run_sweep(PLAN, path, Here())
    path.write_bytes(path.read_bytes()[:length])
    assert len(run_sweep(PLAN, path, Here())) == 20


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("a,b\n1,2\n", DataError, "s.jsonl:1: not JSON"),
        ("a,b", DataError, "first line is not whole"),
        ("{}\n", DataError, "no schema 'pocketnn-sweep/1'"),
        ("[1]\n", DataError, "where an object belongs"),
        ("HEADER\n{}\n", DataError, "s.jsonl:2: not the result of a job"),
        ("HEADER\n{\n", DataError, "s.jsonl:2: not JSON"),
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path, text, error, words):
    path = tmp_path / "s.jsonl"
    text = text.replace("HEADER", json.dumps(PLAN.header()))
    path.write_text(text)
    with pytest.raises(error, match=words):
        run_sweep(PLAN, path, Here())
    assert path.read_text() == text


def test_results_of_another_sweep_are_not_mixed(tmp_path):
    path = tmp_path / "s.jsonl"
    run_sweep(replace(PLAN, seeds=(1,), batches=(10,), words=(8,)), path, Here())
    with pytest.raises(UsageError, match=r"another sweep \(recipe differ\)"):
        run_sweep(replace(PLAN, recipe=Recipe((9,), epochs=1)), path, Here())


def test_plans_that_make_no_sense():
    for change in ({"words": ()}, {"words": (49,)}, {"batches": (0,)}, {"seeds": ()}):
        with pytest.raises(UsageError):
            replace(PLAN, **change)
    assert len(list(replace(PLAN, words=(8, 8), seeds=(1, 1)).jobs())) == 6
    assert next(PLAN.jobs()) == Job(None, None, 10, 500, 1)


def test_command_prints_one_table(tmp_path):
    def sweep(*options, code=0):
        result = CliRunner().invoke(main, ["sweep", *map(str, options)])
        assert result.exit_code == code, result.output
        return result

    path = tmp_path / "s.jsonl"
    run_sweep(replace(PLAN, lr_invs=(1000,)), path, Here())  # so that the command has nothing left to run
    lines = sweep(path, *SMALL).stdout.splitlines()
    assert len(lines) == 21
    assert max(map(len, lines)) <= 100
    data = json.loads(sweep(path, *SMALL, "--json").stdout)
    assert data["schema"] == "pocketnn-sweep/1"
    assert len(data["results"]) == 20
    assert "'clip' does not exist" in sweep(path, "--overflows", "wrap,clip", code=2).stderr
    assert "does not exist" in sweep(tmp_path / "no" / "s.jsonl", code=2).stderr
    assert "another sweep" in sweep(path, "--limit", 99, code=2).stderr


def test_a_sweep_that_was_killed_goes_on_where_it_was(tmp_path):
    path = tmp_path / "s.jsonl"
    options = [
        "--limit",
        "300",
        "--hidden",
        "20",
        "--epochs",
        "2",
        "--words",
        "16",
        "--seeds",
        "1,2,3,4",
        "--jobs",
        "2",
    ]
    command = [sys.executable, "-m", "pocketnn", "sweep", str(path), *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while (len(path.read_bytes().splitlines()) if path.exists() else 0) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = path.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]
    assert 4 <= len(kept.splitlines()) < 13
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert path.read_bytes().startswith(kept)
    assert len(path.read_bytes().splitlines()) == 13
    assert len(result.stdout.splitlines()) == 13


@pytest.mark.filterwarnings("default")  # the cluster's library warns of its own doings
def test_on_a_local_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        path = tmp_path / "s.jsonl"
        result = CliRunner().invoke(main, ["sweep", str(path), *SMALL, "--dask", cluster.scheduler_address, "--json"])
        assert result.exit_code == 0, result.output
        plan = replace(PLAN, lr_invs=(1000,))
        assert json.loads(result.stdout)["results"] == run_sweep(plan, tmp_path / "here.jsonl", Here())


@pytest.mark.filterwarnings("default")
def test_no_dask_scheduler_is_said(tmp_path):
    pytest.importorskip("distributed")
    result = CliRunner().invoke(main, ["sweep", str(tmp_path / "s.jsonl"), "--dask", "nowhere"])
    assert result.exit_code == 2
    assert "--dask nowhere: no scheduler there" in result.stderr


def test_a_rate_per_layer_is_one_value_of_the_sweep(tmp_path):
    recipe = Recipe((8,), epochs=1, lr_inv=(500, 700))
    plan = replace(PLAN, recipe=recipe, lr_invs=(recipe.lr_inv,), words=(32,), overflows=("wrap",), batches=(20,))
    lines = run_sweep(plan, tmp_path / "s.jsonl", Here())
    again = Here()
    assert json.dumps(run_sweep(plan, tmp_path / "s.jsonl", again)) == json.dumps(lines)
    assert again.count == 0
