"""`pocketnn export` and `pocketnn verify-device`."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from exporting import digits, require

from pocketnn.cli import main
from pocketnn.weights import save_weights


@pytest.fixture
def weights(tmp_path):
    saved = digits("bp")
    path = tmp_path / "model.npz"
    save_weights(path, {name: np.array(m) for name, m in saved.parameters.items()}, {"activation": "pocket_tanh"})
    return path


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output + str(result.exception)
    return result


def test_export_writes_runs_and_compares(weights, tmp_path):
    require("host")
    out = tmp_path / "out"
    options = ["--word", 16, "--golden", 4, "--run", "host"]
    found = json.loads(run("export", weights, "--out", out, *options, "--json").stdout)
    assert found["schema"] == "pocketnn-export/1"
    assert (found["ops"], found["golden_steps"], found["layers"]) == (20, 4, [64, 16, 10])
    assert found["verdict"] == {"steps": 4, "results": 80, "identical": True, "first": None}
    assert found["size"]["text"] > found["flash_bytes"] > 2 * 64 * 16
    header = (out / "network.h").read_text()
    assert f"#define POCKETNN_FLASH_BYTES {found['flash_bytes']}\n" in header
    assert f"#define POCKETNN_RAM_BYTES {found['ram_bytes']}\n" in header


def test_verify_device_names_step_and_site(weights, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    text = run("export", weights, "--out", out, "--train", "--batch", 4, "--golden", 3).stdout
    assert "50 ops a step" in text
    same = run("verify-device", out / "expected.log", out / "golden.trace")
    assert same.stdout == "3 steps, 150 results: identical\n"
    other = tmp_path / "other"
    run("export", weights, "--out", other, "--train", "--batch", 4, "--golden", 3, "--lr-inv", 100)
    result = run("verify-device", other / "expected.log", out / "golden.trace", "--json", code=1)
    first = json.loads(result.stdout)["first"]
    assert (first["step"], first["phase"], first["site"], first["op"]) == (1, "train", "fc1.update.div", "div")
    log.write_text("".join(f"{line}\n" for line in (out / "expected.log").read_text().splitlines()[:-1]))
    cut = run("verify-device", log, out / "golden.trace", code=4)
    assert "breaks off after 153 lines" in cut.stderr
    assert "Traceback" not in cut.stderr


def test_bad_usage_is_one_line_and_leaves_nothing(weights, tmp_path):
    for args, message in (
        (["--plain-int", "--word", 16], "only in 32-bit registers that wrap"),
        (["--train", "--batch", 1000], "ask for fewer"),
        (["--data", "nothing"], "nothing"),
    ):
        result = run("export", weights, "--out", tmp_path / "out", *args, code=2)
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    missing = run("verify-device", tmp_path / "no.log", tmp_path / "no.trace", code=2)
    assert "no.log: No such file" in missing.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.npz"]


def test_missing_tools_name_the_package(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("export", weights, "--out", tmp_path / "out", "--run", "riscv", code=2)
    assert "apt-get install make gcc-riscv64-unknown-elf qemu-system-misc" in result.stderr
