"""The size of a trace, said before the run, against the file that the run then writes."""

import re

import pytest
from click.testing import CliRunner

from pocketnn.audit import Training
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.estimate import estimate, phases
from pocketnn.machine import Machine
from pocketnn.recipe import Recipe
from pocketnn.trace import Trace, record


def recorded(path, *options):
    result = CliRunner().invoke(main, ["train", "--trace", str(path), *map(str, options)])
    assert result.exit_code == 0
    with Trace(path) as trace:
        return result.stderr, trace.events, path.stat().st_size


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--epochs", 18, "--hidden", "9,8,8,8,8"], marks=pytest.mark.slow, id="digest"),
        pytest.param(["--epochs", 1, "--trace-level", "full", "--limit", 1000], id="full"),
    ],
)
def test_a_long_recording_is_announced(tmp_path, options):
    said, events, size = recorded(tmp_path / "t.pnt", *options)
    found = re.fullmatch(r"trace: about ([\d,]+) events, (\d+) MB\n", said)
    assert found, (said, events, size)
    assert int(found[1].replace(",", "")) == pytest.approx(events, rel=0.01)
    assert int(found[2]) * 1e6 == pytest.approx(size, rel=0.3)


@pytest.mark.parametrize("options", [[], ["--batch-norm"], ["--trace-steps", "10:40"], ["--epochs", 0]])
def test_a_short_one_is_not(tmp_path, options):
    said, events, size = recorded(tmp_path / "t.pnt", "--limit", 300, "--epochs", 3, "--hidden", "10", *options)
    assert said == ""
    assert size < 5e6
    assert events


@pytest.mark.parametrize("changes", [{}, {"batch_norm": True}, {"epochs": 0}, {"algorithm": "bp"}])
def test_steps_are_counted_as_they_will_be(tmp_path, changes):
    source = Training(load_dataset("digits", 300), Recipe(**{"hidden": (10,), "epochs": 3, **changes}))
    with record(Machine(), tmp_path / "t.pnt") as m:
        source.run(m)
    with Trace(tmp_path / "t.pnt") as trace:
        ran = [step.moment.phase for step in trace.steps]
        events = trace.events
    assert [phase.replace("final", "test") for phase in ran] == phases(source)
    assert estimate(source, Machine(), False, 1, None).events == pytest.approx(events, rel=0.02)


def test_steps_that_the_run_does_not_have_are_refused_before_it(tmp_path):
    args = ["train", "--limit", "100", "--epochs", "1", "--trace-steps", "9:", "--trace", str(tmp_path / "t.pnt")]
    result = CliRunner().invoke(main, args)
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert result.stderr.strip().endswith("nothing to record; this run has the steps 1 to 8")
    alone = CliRunner().invoke(main, args[:7])
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert alone.stderr.strip().endswith("give --trace FILE too")
    args[6] = "8:"
    assert CliRunner().invoke(main, args).exit_code == 0
    with Trace(tmp_path / "t.pnt") as trace:
        assert [step.moment.phase for step in trace.steps] == ["final"]
