"""`pocketnn prove` and the checker as a command."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from pocketnn.check import check
from pocketnn.cli import main
from pocketnn.weights import save_weights

SMALL = ["--hidden", "4", "--batch", "3", "--limit", "50"]


def run(*args, code=0):
    result = CliRunner().invoke(main, ["prove", *map(str, args)])
    assert code is None or result.exit_code == code, result.output + str(result.exception)
    return result


@pytest.fixture
def weights(tmp_path):
    rng = np.random.default_rng(0)
    parameters = {
        "fc1_weight": rng.integers(-99, 100, (64, 6)),
        "fc1_bias": rng.integers(-9, 10, (1, 6)),
        "fcLast_weight": rng.integers(-99, 100, (6, 10)),
        "fcLast_bias": rng.integers(-9, 10, (1, 10)),
    }
    save_weights(tmp_path / "w.npz", parameters, {"activation": "pocket_tanh", "input_shift": 1})
    return tmp_path / "w.npz"


def test_inference_text_and_json_say_the_same(weights):
    text = run(weights, "--inputs", "0:16").stdout
    data = json.loads(run(weights, "--inputs", "0:16", "--json").stdout)
    assert data["schema"] == "pocketnn-certificate/2"
    assert data["proved"]
    assert data["claim"]["inputs"] == [0, 16]
    assert data["claim"]["input_shift"] == 1
    assert "PROVED: nothing can overflow on 32 wrap" in text
    for site in data["sites"]:
        if site["op"] != "load":
            assert f"{site['range'][0]}..{site['range'][1]}" in text
    assert check(data) == []


def test_the_claim_says_all_that_is_not_as_in_the_reference(tmp_path):
    options = [*SMALL, "--training", "--scale", "64", "--loss-limit", "900", "--carry", "--lr-inv", "500,700"]
    text = " ".join(run(*options, code=None).stdout.split())
    assert "batch 3, lr_inv 500,700, weight limit 32767, carry, scale 64, loss_limit 900" in text


def test_a_narrow_accumulator_fails_with_a_counterexample(weights):
    data = json.loads(run(weights, "--inputs", "0:16", "--accumulator", "12", "--json", code=1).stdout)
    assert not data["proved"]
    assert "12-bit accumulator" in data["counterexample"]["witness"]
    assert len(data["counterexample"]["inputs"]) == 64
    assert "NOT PROVED: fc1.forward.mac needs" in run(weights, "--accumulator", "12", code=1).stdout


@pytest.mark.parametrize("options", [[], ["--algorithm", "bp"], ["--batch-norm"], ["--activation", "pocket_softmax"]])
@pytest.mark.parametrize("word", [16, 40])
def test_every_line_fits_100_columns(options, word):
    result = CliRunner().invoke(main, ["prove", *SMALL, "--word", str(word), *options])
    assert result.exit_code in (0, 1), result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""


def test_training_says_what_would_be_provable():
    text = run(*SMALL, "--word", "24", code=1).stdout
    data = json.loads(run(*SMALL, "--word", "24", "--json", code=1).stdout)
    limit = next(limit for limit in data["limits"] if limit["what"] == "weight limit")
    assert f"weight limit: up to {limit['largest']} (given: 32767)" in text
    proof = json.loads(run(*SMALL, "--word", "24", "--weight-limit", limit["largest"], "--json").stdout)
    assert proof["proved"]
    assert check(proof) == []
    run(*SMALL, "--word", "24", "--weight-limit", limit["largest"] + 1, code=1)


def test_the_sum_of_an_epoch_decides_too():
    """The 1437 digits, in steps of 3, lose at most 9 * 127^2 / 2 + 142^2 / 2 each: 118779546 in all, 28 bits."""
    options = ["--hidden", "4", "--batch", "3", "--weight-limit", "300", "--word", "32+loss=27"]
    text = " ".join(run(*options, code=1).stdout.split())
    assert "NOT PROVED: loss.epoch_add needs 28 bits, 1 more than its loss register has: a --loss-limit or" in text
    assert "0..118779546" in text
    assert "loss limit: up to 66860889 (given: 0)" in text
    run(*options, "--loss-limit", "66860889", code=0)
    run(*options, "--loss-limit", "66860890", code=1)
    run(*options[:-1], "32+loss=28", code=0)
    assert "any images of pixels 0..255, 1437 an epoch, batch 3" in text


def test_training_of_saved_weights_is_on_data_that_fits_them(weights, tmp_path):
    rng = np.random.default_rng(0)
    save_weights(tmp_path / "w.npz", {"fcLast_weight": rng.integers(0, 9, (9, 2)), "fcLast_bias": [[0, 0]]}, {})
    result = run(tmp_path / "w.npz", "--training", code=2)
    assert "a network of 9 inputs and 2 outputs, but digits has 64 pixels and 10 classes" in result.stderr


def test_training_of_saved_weights(weights):
    data = json.loads(run(weights, "--training", "--word", "40", "--json").stdout)
    assert data["claim"]["dims"] == [64, 6, 10]
    assert data["claim"]["input_shift"] == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--inputs", "5"], "not a range like 0:255"),
        (["--inputs", "5:4"], "the first is not above the second"),
        (["--weight-limit", "0"], "1 or more"),
        (["--weight-limit", "1,2,3,4"], "give one for all layers"),
        (["nowhere.npz"], "nowhere.npz"),
    ],
)
def test_bad_usage_is_one_line(args, message):
    result = CliRunner().invoke(main, ["prove", *args])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_the_checker_runs_as_a_program(tmp_path, weights):
    path = tmp_path / "proof.json"
    path.write_text(run(weights, "--inputs", "0:16", "--json").stdout)
    command = [sys.executable, "-m", "pocketnn.check", str(path), str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified: ")
