"""Sweeps: on any executor the results of runs on their own, once each, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pocketnn.arith import Overflow
from pocketnn.audit import Target, as_data, audit_training
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.errors import DataError, UsageError, VersionError
from pocketnn.machine import Widths
from pocketnn.recipe import Recipe
from pocketnn.sweep import Job, Plan, run_sweep
from pocketnn.sweep.results import header

PLAN = Plan("digits", 100, Recipe((8,), epochs=1), (8, 16), ("wrap", "saturate"), (10, 20), (500,), (1, 2))
SMALL = ["--limit", "100", "--hidden", "8", "--epochs", "1", "--words", "8,16", "--batches", "10,20", "--seeds", "1,2"]


HEADS = ["accuracy", "changed", "C/T/Z", "trans.", "wrong"]


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


def test_every_result_is_that_of_an_audit(tmp_path):
    lines = run_sweep(PLAN, tmp_path / "s.jsonl", Here())
    assert len(lines) == len(list(PLAN.jobs())) == 2 * 2 * 5
    dataset, asked = load_dataset("digits", 100), Target(Widths.of(8), Overflow.WRAP)
    for start, job in list(enumerate(PLAN.jobs()))[::5]:
        report = as_data(audit_training(dataset, PLAN.recipe_of(job), [asked], (8, 16)))
        own = lines[start : start + 5]
        assert [line["run"] for line in own] == report["runs"]
        for line, run in list(zip(own, report["runs"], strict=True))[1:]:
            found = Counter(site["machines"][run["machine"]]["verdict"] for site in report["sites"])
            assert line["verdicts"] == found
            assert found["corrupted"] > 0
            assert (line["run"]["changed_predictions"] is not None, line["bits"]) == (True, None)
        assert own[0]["verdicts"] is None
        assert max(own[0]["bits"].values()) == max(site["bits"] for site in report["sites"])


def test_machines_share_an_exact_run_and_those_that_it_certifies_are_not_run(tmp_path):
    executor = Here()
    plan = replace(PLAN, words=(16, 32, 48), seeds=(1,))
    lines = run_sweep(plan, tmp_path / "s.jsonl", executor)
    assert executor.count == 2 + 2 * 2  # exactly, and on 16 bits in both modes
    assert [line["run"]["emulated"] for line in lines] == [True, True, True, False, False, False, False] * 2
    exact, certified = lines[0], lines[-1]
    assert certified["run"]["changed_predictions"] == 0
    assert sum(certified["verdicts"].values()) == certified["verdicts"]["observed safe"] > 70
    assert lines[3]["run"]["scores"] == exact["run"]["scores"]


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


@pytest.mark.parametrize(("fail_at", "kept", "missing"), [(3, 3, 17 + 3), (8, 19, 1 + 1)])
def test_what_is_done_is_not_done_again(tmp_path, fail_at, kept, missing):
    """But for the exact run of a recipe of which a machine is missing."""
    path = tmp_path / "s.jsonl"
    with pytest.raises(RuntimeError, match="lost"):
        run_sweep(PLAN, path, Here(fail_at))
    assert len(path.read_text().splitlines()) - 1 == kept
    again = Here()
    lines = run_sweep(PLAN, path, again)
    assert again.count == missing
    assert len(path.read_text().splitlines()) == 21
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
    assert again.count == 2
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
        ("{}\n", DataError, "no schema 'pocketnn-sweep/3'"),
        ('{"schema": ["pocketnn-sweep/3"]}\n', DataError, "no schema 'pocketnn-sweep/3'"),
        ('{"schema": "pocketnn-sweep/2"}\n', VersionError, r"schema pocketnn-sweep/2 \(here pocketnn-sweep/3\)"),
        ("[1]\n", DataError, "s.jsonl:1: it is a list of 1; an object belongs here"),
        ("HEADER\n{}\n", DataError, "s.jsonl:2: word is missing"),
        ("HEADER\n\n", DataError, "s.jsonl:2: not JSON"),
        ("HEADER\n{\n", DataError, "s.jsonl:2: not JSON"),
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path, text, error, words):
    path = tmp_path / "s.jsonl"
    text = text.replace("HEADER", json.dumps(header(PLAN)))
    path.write_text(text)
    with pytest.raises(error, match=words):
        run_sweep(PLAN, path, Here())
    assert path.read_text() == text


def odd(line, path, value):
    """The line with one value changed; `...` removes it."""
    line = json.loads(json.dumps(line))
    *parents, name = path.split(".")
    inside = line
    for parent in parents:
        inside = inside[parent]
    if value is ...:
        del inside[name]
    else:
        inside[name] = value
    return line


ODD = [None, [], {}, "", "8", -1, 1.5, True, 10**41, [None], {"a": 1}, "\ud800", "\x1b]0;evil\x07", ...]
PLACES = [
    ("word", (None,)),
    ("overflow", (None,)),
    ("batch", ()),
    ("lr_inv", ([],)),
    ("seed", ()),
    ("run", ()),
    ("run.scores", ()),
    ("run.scores.test_correct", ()),
    ("run.scores.test_total", ()),
    ("run.flags", ()),
    ("run.flags.transient", ()),
    ("run.emulated", (True,)),
    ("run.changed_predictions", (None,)),
    ("run.first_overflow", (None,)),
    ("run.first_overflow.site", ("", "8")),
    ("run.first_overflow.epoch", ()),
    ("verdicts", ({},)),
    ("bits", (None,)),
]


@pytest.mark.parametrize(("place", "fine"), PLACES)
def test_an_odd_line_is_refused_with_its_place(tmp_path, place, fine):
    path = tmp_path / "s.jsonl"
    run_sweep(replace(PLAN, seeds=(1,), batches=(10,), words=(8,)), path, Here())
    lines = path.read_text().splitlines()
    assert json.loads(lines[2])["word"] == 8
    for value in ODD:
        if value in fine and type(value) in map(type, fine) and place not in ("word", "overflow"):
            continue
        lines[2:] = [json.dumps(odd(json.loads(lines[2]), place, value)), *lines[3:]]
        other = tmp_path / "other.jsonl"
        other.write_text("".join(f"{line}\n" for line in lines))
        result = CliRunner().invoke(main, ["sweep", str(other), *SMALL, "--lr-inv", "500", "--words", "8"])
        assert result.exit_code == 2, (value, result.output)
        assert f"{other}:3: " in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr[:-1].isprintable()
        lines = path.read_text().splitlines()


def test_a_result_twice(tmp_path):
    path = tmp_path / "s.jsonl"
    plan = replace(PLAN, seeds=(1,), batches=(10,), words=(8,))
    run_sweep(plan, path, Here())
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match=r"s\.jsonl:5: a second result of the same job"):
        run_sweep(plan, path, Here())


@pytest.mark.parametrize("name", ["release", "op_table", "schema"])
def test_results_of_another_release_are_not_mixed(tmp_path, name):
    path = tmp_path / "s.jsonl"
    head = header(PLAN)
    path.write_text(json.dumps(head | {name: f"{head[name][:-1]}9"[:60]}) + "\n")
    result = CliRunner().invoke(main, ["sweep", str(path)])
    assert result.exit_code == 5
    assert f"results of another pocketnn, {name} " in result.stderr
    assert "name another file, or go on with that release" in result.stderr


def test_a_file_is_one_sweep_s_at_a_time(tmp_path):
    path = tmp_path / "s.jsonl"
    told = []

    class Both(Here):
        def submit(self, function, *args):
            told.append(CliRunner().invoke(main, ["sweep", str(path), *SMALL]))
            return super().submit(function, *args)

    plan = replace(PLAN, seeds=(1,), batches=(10,), words=(8,))
    lines = run_sweep(plan, path, Both())
    assert {result.exit_code for result in told} == {2}
    assert told[0].stderr == (
        f"pocketnn: {path}: another sweep is writing to it; wait until it ends, or name another file\n"
    )
    again = Here()
    assert run_sweep(plan, path, again) == lines
    assert again.count == 0


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
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["batch", "lr_inv", "seed", "machine", *HEADS, "first", "overflow"]
    table = [line for line in lines[1:] if line[:5].strip().isdigit()]
    assert len(table) == 20
    first = run_sweep(replace(PLAN, lr_invs=(1000,)), path, Here())[1]
    accuracy = f"{first['run']['scores']['test_correct']:.2f}"  # of 100 images
    sites = "/".join(str(first["verdicts"].get(name, 0)) for name in ("corrupted", "transient", "divided by zero"))
    row = ["10", "1000", "1", "8", "wrap", accuracy, "%", str(first["run"]["changed_predictions"]), sites]
    assert table[1].split()[:9] == row
    assert table[1].endswith(" build fc1.activation.scale_by")
    assert sum(" needs " in line for line in table) == 4
    data = json.loads(sweep(path, *SMALL, "--json").stdout)
    assert data["schema"] == "pocketnn-sweep/3"
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
    assert sum(line[:5].strip().isdigit() for line in result.stdout.splitlines()) == 12


def living(pids):
    return [
        pid for pid in pids if os.path.exists(f"/proc/{pid}") and " Z " not in Path(f"/proc/{pid}/stat").read_text()
    ]


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_sweep(tmp_path, number):
    """Ctrl-C in a terminal goes to the workers, too."""
    options = ["--epochs", "1000", "--seeds", "1,2,3,4,5,6", "--words", "16", "--jobs", "2"]
    command = [sys.executable, "-m", "pocketnn", "sweep", str(tmp_path / "s.jsonl"), *options]
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    deadline = time.monotonic() + 60
    while len(children.read_text().split()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    pids = children.read_text().split()
    assert len(pids) == 3  # two workers, and what watches over shared resources
    time.sleep(2)  # until they are at work
    os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
    assert child.wait(timeout=30) == (-number if number == signal.SIGKILL else 130)
    deadline = time.monotonic() + 30
    while living(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(pids) == []
    if number != signal.SIGKILL:  # after which Python itself warns
        assert said.read_text() == "pocketnn: interrupted; no file is left half-written\n"


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
