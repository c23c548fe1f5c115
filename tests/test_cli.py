"""The command line: every command through click's runner, and once as a real process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pocketnn.cli import main
from pocketnn.saved import read_saved
from pocketnn.vectors import VECTOR_BACKENDS
from pocketnn.weights import load_weights, save_weights

BACKENDS = list(VECTOR_BACKENDS)
SMALL = ["--limit", "200", "--hidden", "8", "--epochs", "1"]


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output + str(result.exception)
    return result


def process(*args, **options):
    command = [sys.executable, "-m", "pocketnn", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def test_help_names_every_command_and_the_exit_codes():
    text = run("--help").stdout
    for word in ("train", "eval", "audit", "sweep", "prove", "conform", "data", "bench", "Exit codes"):
        assert word in text
    for command in ("train", "eval", "audit", "sweep", "prove", "conform", "data", "bench"):
        assert run(command, "--help").stdout.startswith("Usage")


def test_version():
    assert "0.1.0" in run("--version").stdout


def test_train_text_and_json_say_the_same():
    text = run("train", *SMALL).stdout
    data = json.loads(run("train", *SMALL, "--json").stdout)
    (epoch,) = data["epochs"]
    assert f"{epoch['loss_sum']} " in text
    assert f"{epoch['test_correct']}/200" in text
    assert f"{data['final_train_correct']}/200" in text
    assert data["overflow"]["flags"]["events"] == 0
    assert "no overflow" in text


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize("word", [8, 16])
def test_train_on_a_narrow_machine_reports_and_ends_well(word, overflow):
    options = [*SMALL, "--word", word, "--overflow", overflow]
    text = run("train", *options).stdout
    data = json.loads(run("train", *options, "--json").stdout)
    assert data["overflow"]["flags"]["events"] > 0
    first = data["overflow"]["first"]
    assert (first["word"], first["overflow"]) == (word, overflow)
    assert f"first: {first['site']}" in text
    assert {site["site"] for site in data["overflow"]["sites"]} == {
        line.split()[0] for line in text.splitlines() if line.startswith("  f")
    } | {line.split()[0] for line in text.splitlines() if line.startswith(("  l", "  n", "  i", "  t", "  p"))}


def test_trap_stops_with_one_line():
    result = run("train", *SMALL, "--word", "8", "--trap", code=1)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "scale_by" in result.stderr
    assert "16384" in result.stderr


@pytest.mark.parametrize("name", ["w.npz", "w"])
def test_saved_weights_evaluate_to_the_same(tmp_path, name):
    path = tmp_path / name
    options = ["--activation", "pocket_sigmoid", "--input-shift", "1", "--batch-norm"]
    options += ["--scale", "300,90", "--activation-div", "3"]
    data = json.loads(run("train", *SMALL, *options, "--save", path, "--json").stdout)
    result = run("eval", path, "--limit", "200")
    assert result.stdout.splitlines()[0] == f"{data['epochs'][0]['test_correct']} of 200"
    again = json.loads(run("eval", path, "--limit", "200", "--json").stdout)
    assert again["test_correct"] == data["epochs"][0]["test_correct"]
    assert read_saved(path).recipe.activation == "pocket_sigmoid"


def test_eval_of_the_reference_weights(golden, datasets):
    result = run("eval", golden / "mnist-3-epochs", "--data", "mnist")
    assert result.stdout.splitlines()[0] == "9643 of 10000"


def test_eval_with_other_data(tmp_path):
    path = tmp_path / "w.npz"
    save_weights(path, {"fcLast_weight": np.ones((3, 10), int), "fcLast_bias": np.zeros((1, 10), int)}, {})
    assert "3 inputs" in run("eval", path, code=2).stderr


@pytest.mark.parametrize(
    "meta",
    [
        {"input_shift": 10**9},
        {"input_shift": -1},
        {"input_shift": "x"},
        {"batch": 0},
        {"activation": "gelu"},
        {"input_centre": -1},
        {"input_centre": 1 << 17},
        {"scale": "1,0"},
        {"scale": 5},
        {"activation_div": "-1"},
        {"scale": "1;2"},
    ],
)
def test_eval_of_weights_that_describe_nonsense(tmp_path, meta):
    path = tmp_path / "w.npz"
    ones = np.ones((1, 10), int)
    parameters = {"weight": np.ones((64, 10), int), "bias": ones, "gamma": ones, "beta": ones}
    save_weights(path, {f"fcLast_{name}": value for name, value in parameters.items()}, meta)
    (value,) = meta.values()
    assert repr(value) in run("eval", path, code=2).stderr


def test_audit_exit_codes_follow_the_machine_asked_for():
    assert "32 wrap: no overflow" in run("audit", *SMALL).stdout
    assert "16 wrap: OVERFLOWS" in run("audit", *SMALL, "--word", 16, code=1).stdout
    data = json.loads(run("audit", *SMALL, "--word", 16, "--overflow", "saturate", "--json", code=1).stdout)
    assert data["judged"] == ["16 saturate"]
    data = json.loads(run("audit", *SMALL, "--word", 16, "--accumulator", 40, "--json").stdout)
    assert data["judged"] == ["16+accumulator=40 wrap"]


@pytest.mark.parametrize(
    ("options", "code", "lines"),
    [
        ([], 0, ["not judged: 8 wrap: OVERFLOWS; 16 wrap: OVERFLOWS", "32 wrap: no overflow"]),
        (["--words", "32,16"], 1, ["32 wrap: no overflow", "16 wrap: OVERFLOWS"]),
        (["--words", "32,40"], 0, ["32 wrap: no overflow", "40 wrap: no overflow"]),
        (["--words", "16", "--overflow", "saturate"], 1, ["16 saturate: OVERFLOWS"]),
        (["--words", "16", "--word", "32"], 0, ["not judged: 16 wrap: OVERFLOWS", "32 wrap: no overflow"]),
        (
            ["--words", "16", "--accumulator", "40", "--overflow", "saturate"],
            0,
            ["not judged: 16 saturate: OVERFLOWS", "32+accumulator=40 saturate: no overflow"],
        ),
    ],
)
def test_without_a_word_the_words_are_judged_and_all_are_spoken_of(options, code, lines):
    printed = run("audit", *SMALL, *options, code=code).stdout
    assert printed.splitlines()[-len(lines) :] == lines
    judged = [line.split(":")[0] for line in lines if not line.startswith("not judged")]
    data = json.loads(run("audit", *SMALL, *options, "--json", code=code).stdout)
    assert (data["judged"], data["overflowed"]) == (judged, code == 1)


def test_every_judged_machine_is_in_the_page_and_in_the_log(tmp_path):
    page, log = tmp_path / "r.html", tmp_path / "r.sarif"
    options = ["--words", "8,16,32", "--html", page, "--sarif", log, "--prove", "--advise", "--weight-limit", 500]
    printed = run("audit", *SMALL, *options, code=1).stdout
    banner = page.read_text().split('id="verdict"')[1].split("</div>")[0]
    assert re.findall(r"<p>(\d+ wrap): *<strong>(.*)</strong>", " ".join(banner.split()).replace("<p>", "\n<p>")) == [
        ("8 wrap", "Overflows: results are wrong."),
        ("16 wrap", "Overflows: results are wrong."),
        ("32 wrap", "No overflow."),
    ]
    assert (
        page.read_text().count("<h2>Certificate</h2>")
        == len(re.findall("^  certificate: ", printed, re.MULTILINE))
        == 3
    )
    texts = [result["message"]["text"] for result in json.loads(log.read_text())["runs"][0]["results"]]
    assert {re.search(r"on a (.*) machine", text)[1] for text in texts} == {"8 wrap", "16 wrap"}
    assert re.search("single changes that make .* fit 16 wrap, each run", printed)


def test_fail_on():
    options = ["audit", *SMALL, "--word", 16]
    run(*options, "--fail-on", "corrupted", code=1)
    run(*options, "--fail-on", "none")
    run("audit", *SMALL, "--word", 32, "--fail-on", "corrupted")


def test_audit_of_saved_weights(tmp_path):
    path = tmp_path / "w.npz"
    run("train", *SMALL, "--save", path)
    right = run("eval", path, "--limit", 200).stdout.split()[0]
    text = run("audit", path, "--limit", 200, "--words", "8,20", "--word", 20, "--fail-on", "none").stdout
    assert text.startswith(f"{path}: 64-8-10 pocket_tanh on 200 test images of digits")
    assert re.search(rf"exact .*\({right}/200\)", text)
    assert "update" not in text.split("range:")[0]
    assert text.splitlines()[-1].startswith("20 wrap: ")
    assert "3 inputs" in run("audit", _weights(tmp_path, 3), code=2).stderr


def _weights(folder, inputs):
    path = folder / "other.npz"
    save_weights(path, {"fcLast_weight": np.ones((inputs, 10), int), "fcLast_bias": np.zeros((1, 10), int)}, {})
    return path


def test_audit_writes_what_is_asked_for(tmp_path):
    page, tests, log = tmp_path / "r.html", tmp_path / "test_w.py", tmp_path / "r.sarif"
    options = ["--html", page, "--witness", tests, "--sarif", log, "--advise", "--mcu", "rp2040"]
    text = run("audit", *SMALL, "--word", 16, *options, code=1).stdout
    assert "RP2040 (2048.0 KiB flash, 264.0 KiB RAM): fits" in text
    assert "single changes that make" in text
    assert "What would help" in page.read_text()
    assert json.loads(log.read_text())["runs"][0]["results"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert "passed" in result.stdout
    assert "all equal" in run("conform", tests.with_suffix(".vec")).stdout


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    for option in ("--html", "--witness", "--sarif"):
        assert "does not exist" in run("audit", option, tmp_path / "no" / "file", "--epochs", 10**6, code=2).stderr
        assert "is a folder" in run("audit", option, tmp_path, "--epochs", 10**6, code=2).stderr


def test_nothing_to_reproduce_is_said():
    assert "nothing to reproduce" in run("audit", *SMALL, "--words", "32", "--witness", "x.py", code=2).stderr
    assert not os.path.exists("x.py")


def test_the_table_of_microcontrollers():
    lines = run("audit", "--mcu", "list").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("ATmega328P ") for line in lines)
    assert "no microcontroller 'z80'" in run("audit", "--mcu", "z80", code=2).stderr


def test_audit_with_no_argument_is_the_main_job():
    lines = run("audit").stdout.splitlines()
    assert lines[0].startswith("digits: 1437 training and 360 test images, 64-100-50-10")
    assert any(line.startswith("fc1.forward.mac") for line in lines)
    assert lines[-1] == "32 wrap: no overflow"


def test_conform(golden, tmp_path):
    path = golden / "reference-vectors.json"
    assert run("conform", path).stdout.splitlines()[-1] == "31 cases: all equal on reference and vector"
    cases = json.loads(path.read_text())
    cases[0]["values"][3] += 1
    doctored = tmp_path / "doctored.json"
    doctored.write_text(json.dumps(cases[:4]))
    text = run("conform", doctored, code=1).stdout
    assert "values[3]: the file says 1714636916, computed is 1714636915" in text
    data = json.loads(run("conform", doctored, "--json", code=1).stdout)
    assert data["equal"] is False


VECTORS = Path(__file__).parents[1] / "traces" / "vectors"


def test_conform_runs_test_vectors(golden):
    count = (VECTORS / "mac.vec").read_text().count(" mac ")
    lines = run("conform", VECTORS / "mac.vec").stdout.splitlines()
    assert [line.split()[1:] for line in lines[:3]] == [[name, str(count), "cases", "equal"] for name in BACKENDS]
    assert lines[3:] == [f"{count} cases: all equal on reference, vector and vector-measured"]
    everything = run("conform", golden / "reference-vectors.json", VECTORS).stdout.splitlines()
    count = 31 + sum(int(line.split()[2]) for line in everything if " vector-measured " in line)
    assert len(everything) == 31 * 2 - 3 + 16 * 3 + 1  # the three cases of random numbers run on the reference alone
    assert everything[-1] == f"{count} cases: all equal on reference, vector and vector-measured"
    assert count > 2000


def test_conform_names_the_first_vector_that_differs(tmp_path):
    path = tmp_path / "add.vec"
    text = (VECTORS / "add.vec").read_text()
    path.write_text(text.replace("127 1 -> -128", "127 1 -> -127").replace("126 1 -> 127", "126 1 -> 126"))
    number, name = next((i, line.split()[0]) for i, line in enumerate(text.splitlines(), 1) if "127 1 -> -128" in line)
    lines = run("conform", path, code=1).stdout.splitlines()
    words = f"DIFFERS line {number}, {name}: element []: the file says -127, computed is -128 (the first of 3 cases)"
    assert [line.split(maxsplit=2)[1:] for line in lines[:3]] == [[backend, words] for backend in BACKENDS]
    assert lines[3].endswith("9 results differ")
    data = json.loads(run("conform", path, VECTORS / "neg.vec", "--json", code=1).stdout)
    assert (data["schema"], data["equal"], data["cases"]) == ("pocketnn-conform/1", False, [])
    assert [v["differing"] for v in data["vectors"]] == [3, 3, 3, 0, 0, 0]
    assert data["vectors"][0]["difference"] == words.removeprefix("DIFFERS ").partition(" (the")[0]
    assert {v["file"] for v in data["vectors"]} == {str(path), str(VECTORS / "neg.vec")}


def test_conform_prints_nothing_of_a_run_with_a_bad_file(tmp_path):
    path = tmp_path / "bad.vec"
    path.write_text((VECTORS / "add.vec").read_text() + "nonsense\n")
    for bad, words in ((path, "bad.vec:"), (tmp_path / "none.vec", "No such file"), (VECTORS / "designed", "no .vec")):
        result = run("conform", VECTORS / "neg.vec", bad, code=2)
        assert result.stdout == ""
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_data_list(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("POCKETNN_DATA", str(tmp_path / "own"))
    (tmp_path / "own" / "mnist").mkdir(parents=True)
    text = run("data", "list").stdout
    assert "digits: 1437 training and 360 test images of 64 pixels, 10 classes" in text
    assert f"{tmp_path}/own/mnist: missing train-images-idx3-ubyte" in text
    data = json.loads(run("data", "list", "--json").stdout)
    assert [entry["name"] for entry in data["datasets"]] == ["digits", "mnist", "fashion-mnist"]


def test_data_fetch_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = run("data", "fetch", "mnist", "--mirror", "http://127.0.0.1:9/", code=2)
    assert "http://127.0.0.1:9/" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert run("data", "fetch", "digits", code=2).stderr


def test_bench_prints_what_it_measured():
    text = run("bench", "--limit", 100, "--hidden", "8").stdout
    assert "yardstick" in text
    assert "share of the emulation's time per op: " in text
    assert re.search(r"times as long as with neither \([\d.]+ s\); trace [\d.]+ MB; peak memory \d+ MB", text)
    data = json.loads(run("bench", "--limit", 100, "--hidden", "8", "--word", 16, "--json").stdout)
    assert data["runs"][0]["ratio"] == 1.0
    assert abs(sum(data["runs"][1]["shares"].values()) - 1) < 1e-9
    trace = data["trace"]
    assert trace["ratio"] == trace["traced_seconds"] / trace["untraced_seconds"]
    assert trace["ratio_ranged"] == trace["traced_seconds"] / trace["ranged_seconds"]
    assert min(trace["trace_bytes"], trace["traced_peak"], trace["untraced_peak"]) > 50_000
    data = json.loads(run("bench", "--limit", 100, "--hidden", "8", "--json").stdout)
    assert all(entry["equal"] for entry in data["runs"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["train", "--data", "nowhere"], ["nowhere", "digits, mnist, fashion-mnist"]),
        (["train", "--data", "./nowhere"], ["nowhere"]),
        (["train", "--word", "1"], ["1", "2 to 48"]),
        (["train", "--word", "49"], ["49"]),
        (["train", "--word", "16+weights=8"], ["16+weights=8", "weight, bias"]),
        (["train", "--hidden", "5,x"], ["5,x"]),
        (["train", "--hidden", "0"], ["1 or more"]),
        (["train", "--batch", "2000"], ["batch is 2000", "1437"]),
        (["train", "--seed", "2147483648", "--epochs", "0"], ["2147483648"]),
        (["train", "--save", "/no/such/folder/w.npz"], ["/no/such/folder", "does not exist"]),
        (["train", "--epochs", "100000", "--save", os.path.dirname(__file__)], ["something other than weights"]),
        (["train", "--hidden", "500000,500000", "--epochs", "1", "--algorithm", "bp"], ["500000 x 500000"]),
        (["eval", "/no/such/weights.npz"], ["/no/such/weights.npz", "No such file"]),
        (["conform", "/no/such/file.json"], ["/no/such/file.json"]),
        (["audit", "--activation", "gelu"], ["gelu"]),
        (["audit", "--words", "8,49"], ["49", "2 to 48"]),
        (["audit", "--words", "8,x"], ["8,x"]),
        (["frobnicate"], ["frobnicate"]),
    ],
)
def test_bad_usage_is_one_clear_message_and_exit_code_2(args, words):
    result = run(*args, code=2)
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


# --- as a real process ------------------------------------------------------------------------------------


def test_as_a_process_with_results_on_stdout_and_nothing_else():
    result = process("train", *SMALL, "--json")
    assert result.returncode == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["schema"] == "pocketnn-train/2"


def test_an_error_is_one_line():
    result = process("eval", "/no/such/weights.npz")
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def heeding_interrupts():
    """In a new process: what a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_training_leaves_nothing_behind(tmp_path, number):
    command = [sys.executable, "-m", "pocketnn", "train", "--epochs", "1000", "--save", str(tmp_path / "w.npz")]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding_interrupts
    )
    time.sleep(4)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert (out, err) == ("", "pocketnn: interrupted; no file is left half-written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_on_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pocketnn", "data", "list"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "No space left on device" in result.stderr


def test_file_too_large_leaves_the_old_weights(tmp_path):
    path = tmp_path / "w.npz"
    save_weights(path, {"fcLast_weight": np.ones((3, 2), int), "fcLast_bias": np.zeros((1, 2), int)}, {})
    before = path.read_bytes()
    shell = f"trap '' XFSZ; ulimit -f 8; exec {sys.executable} -m pocketnn train --limit 40 --epochs 1 --save {path}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "File too large" in result.stderr
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize("command", ["train --limit 40 --epochs 1 --save", "sweep --limit 40 --epochs 1 --words 8,16"])
def test_who_may_not_write_so_much_is_told_of_which_file(tmp_path, command):
    path = tmp_path / "target"
    shell = f"trap '' XFSZ; ulimit -f 1; exec {sys.executable} -m pocketnn {command} {path}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert result.stderr.startswith(f"pocketnn: {path}: File too large; free some space")


@pytest.mark.parametrize("layers", [["--hidden", "100000000"], ["--conv", "1000000"], ["--hidden", "9000,9000"]])
def test_a_network_beyond_all_measure_is_refused(layers):
    result = CliRunner().invoke(main, ["train", "--limit", "40", "--epochs", "1", *layers])
    assert result.exit_code == 2
    assert "a layer can have at most 67,108,864" in result.stderr


def test_reader_that_goes_away():
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m pocketnn audit --limit 100 --epochs 1 | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert result.stderr == ""
    assert result.stdout.splitlines()[0].startswith("digits")


def test_progress_only_on_a_terminal():
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pocketnn", "train", *SMALL, "--epochs", "20"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, text=True)
    out, _ = child.communicate(timeout=60)
    os.close(follower)
    shown = os.read(leader, 100000).decode()
    os.close(leader)
    assert child.returncode == 0
    assert "epoch 1/20" in shown
    assert shown.endswith("\x1b[K")  # the line is wiped at the end
    assert "\r" not in out


def test_saved_weights_remember_what_the_recipe_did_to_the_inputs(tmp_path):
    path = tmp_path / "w.npz"
    options = ["--input-centre", 5, "--carry", "--one-sided", "--init", 300, "--lr-inv", "900,500"]
    data = json.loads(run("train", *SMALL, *options, "--save", path, "--json").stdout)
    assert (
        json.loads(run("eval", path, "--limit", "200", "--json").stdout)["test_correct"]
        == (data["epochs"][-1]["test_correct"])
    )
    assert read_saved(path).recipe.input_centre == 5
    uncentred = tmp_path / "u.npz"
    save_weights(uncentred, load_weights(path)[0], {})
    assert run("eval", uncentred, "--limit", "200").stdout != run("eval", path, "--limit", "200").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lr-inv", "1,2,3"], ["lr_inv has 3 numbers", "or 2"]),
        (["--target-off", "15"], ["target_on is 15", "above target_off"]),
        (["--jitter", "8"], ["jitter is 8", "8 pixels"]),
        (["--recipe", "beste"], ["beste", "best-fashion"]),
        (["--recipe", "best", "--hidden", "5"], ["lr_inv has 3 numbers", "or 2"]),
        (["--gain", "0"], ["0"]),
    ],
)
def test_recipes_that_make_no_sense_are_one_line(options, words):
    result = run("train", *SMALL, *options, code=2)
    for word in words:
        assert word in result.stderr


def test_file_names_that_are_no_utf_8(tmp_path):
    weights, figures = (tmp_path / os.fsdecode(name) for name in (b"m\xff.npz", b"f\xff.json"))
    trace = tmp_path / os.fsdecode(b"t\xff.pnt")
    small = ["--limit", 20, "--hidden", 2, "--epochs", 1]
    run("train", *small, "--save", weights, "--trace", trace)
    for command in ("info", "verify", "dump"):
        assert run("trace", command, trace).stdout
    assert run("replay", trace).stdout
    named = run("audit", weights, "--limit", 20, "--fail-on", "none", "--trace", tmp_path / "again.pnt").stdout
    assert r"m\xff.npz" in named
    assert r"m\xff.npz" in run("trace", "info", tmp_path / "again.pnt").stdout
    assert r"f\udcff.json: No such file" in run("audit", weights, "--figures", figures, code=2).stderr
