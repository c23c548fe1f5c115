"""`pocketnn export` and `pocketnn verify-device`."""

import json
import re
import subprocess
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from exporting import digits, require

from pocketnn.check import check
from pocketnn.cli import main
from pocketnn.export.run import _run
from pocketnn.weights import load_weights, save_weights


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
    (on_host,) = found["runs"]
    assert on_host["verdict"] == {"steps": 4, "results": 80, "identical": True, "first": None}
    assert on_host["size"]["text"] > found["flash_bytes"] > 2 * 64 * 16
    assert (on_host["target"], on_host["counts"], found["machine"], found["use"]) == (
        "host", None, "16 wrap", "inference",
    )  # fmt: skip
    header = (out / "network.h").read_text()
    assert f"#define POCKETNN_FLASH_BYTES {found['flash_bytes']}\n" in header
    assert f"#define POCKETNN_RAM_BYTES {found['ram_bytes']}\n" in header


def test_verify_device_names_step_and_site(weights, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    text = run("export", weights, "--out", out, "--train", "--batch", 4, "--golden", 3).stdout
    assert "50 ops a step" in text
    assert "model.npz does not say how it was trained: the step is the reference's, with what was given\n" in text
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
    expected = (out / "expected.log").read_text()
    for encoding in ("utf-8-sig", "utf-16"):  # as Windows' terminals save what a board says
        log.write_bytes(expected.encode(encoding))
        assert run("verify-device", log, out / "golden.trace").stdout == same.stdout
    last = expected.splitlines()[-1]
    for odd in (
        "pocketnn end " + "9" * 5000,
        "pocketnn " + "9" * 5000 + " = 00000000",
        "pocketnn end \u0661\u0665\u0663",
    ):
        log.write_text(expected.replace(last, odd))
        assert "breaks off after 153 lines" in run("verify-device", log, out / "golden.trace", code=4).stderr
    log.write_text(expected.replace("fc1.forward.mac", "\x1b]0;title\x07"))
    assert run("verify-device", log, out / "golden.trace", code=2).stderr[:-1].isprintable()


def test_bad_usage_is_one_line_and_leaves_nothing(weights, tmp_path):
    for args, message in (
        (["--plain-int", "--word", 16], "only in 32-bit registers that wrap"),
        (["--train", "--batch", 1000], "ask for fewer"),
        (["--data", "nothing"], "nothing"),
        (["--lr-inv", 5], "--lr-inv is of the training step; give --train too, or leave it out"),
        (["--no-carry"], "--carry is of the training step"),
        (["--batch", 4], "--batch is of the training step"),
        (["--train", "--jitter", 1], "jitter is 1: it moves every batch by another index table"),
        (["--train", "--error-div", "3,4"], "error_div has 2 numbers"),
    ):
        result = run("export", weights, "--out", tmp_path / "out", *args, code=2)
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    missing = run("verify-device", tmp_path / "no.log", tmp_path / "no.trace", code=2)
    assert "no.log: No such file" in missing.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.npz"]


def test_an_interrupted_target_ends_too(monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def communicate(self):
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr("pocketnn.export.run.subprocess.Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(["sleep", "600"], 600, "sleeping")
    assert started[0].returncode is not None


def test_missing_tools_name_the_package(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("export", weights, "--out", tmp_path / "out", "--run", "riscv", code=2)
    assert "apt-get install make gcc-riscv64-unknown-elf qemu-system-misc" in result.stderr


# --- the training that the weights come from ----------------------------------------------------------------

RECIPE = ["--recipe", "word16-digits", "--hidden", "16,8", "--batch", 4, "--limit", 200, "--epochs", 3]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights trained in 16 bits, by a recipe with everything that recipes offer but jitter."""
    path = tmp_path_factory.mktemp("trained") / "m.npz"
    run("train", *RECIPE, "--word", 16, "--save", path)
    return path


def test_what_is_exported_is_what_was_trained(trained, tmp_path):
    """Without an option the step is that of the recipe; it is proved, and nothing overflows."""
    require("host")
    out = tmp_path / "out"
    options = ["--train", "--limit", 200, "--word", 16, "--golden", 9, "--run", "host"]
    found = json.loads(run("export", trained, "--out", out, *options, "--json").stdout)
    recipe = json.loads(run("recipes", "word16-digits", "--json").stdout)["recipes"][0]["recipe"]
    assert found["recipe"] == {**recipe, "hidden": [16, 8], "batch": 4, "epochs": 3}
    assert found["recipe_in_model"]
    assert found["runs"][0]["verdict"]["identical"]
    assert (found["overflow"]["flags"]["events"], found["overflow"]["first"]) == (0, None)
    assert found["proof"] == {"proved": True, "inputs": [0, 16], "fault": ""}
    certificate = json.loads((out / "certificate.json").read_text())
    assert (certificate["claim"]["carry_div"], certificate["machine"]["word"]) == (128, 16)
    assert check(certificate) == []
    run("audit", out / "golden.trace", "--word", 16)
    code = (out / "network.c").read_text()
    for name in ("carry_add", "clamp_error", "one_sided", "error_div", "epoch_clamp", "first_div", "input_div"):
        assert name in code
    assert "fcLast_first_div_by_in_epoch[3] = {\n    16, 24, 48,\n}" in code


def test_what_is_given_takes_the_place_of_what_the_weights_say(trained, tmp_path):
    options = ["--train", "--limit", 200, "--word", 16, "--golden", 3, "--lr-inv", 500, "--schedule", "doubling"]
    found = json.loads(run("export", trained, "--out", tmp_path / "out", *options, "--no-carry", "--json").stdout)
    changed = {name: found["recipe"][name] for name in ("lr_inv", "schedule", "carry", "error_limit")}
    assert changed == {"lr_inv": 500, "schedule": "doubling", "carry": False, "error_limit": 127}
    assert "carry_add" not in (tmp_path / "out" / "network.c").read_text()


def test_golden_steps_that_overflow_are_said(trained, tmp_path):
    """Of a training by the exit code too; of inference not, for images are made up that overflow."""
    options = ["--limit", 200, "--word", 12, "--golden", 4]
    train = ["--train", "--weight-limit", 2000]
    text = run("export", trained, "--out", tmp_path / "a", *options, *train, code=1).stdout
    assert re.search(r"not proved for images of pixels 0..16 on 12 wrap: \S+ can need [0-9]+ bits\n", text)
    assert re.search(r"recorded steps: [0-9]+.* overflows in .* elements", text)
    assert "first: " in text
    assert not (tmp_path / "a" / "certificate.json").exists()
    for number, fail_on in enumerate(("any", "corrupted", "none")):
        for use in ([], train):
            folder = tmp_path / f"{number}{len(use)}"
            code = 0 if fail_on == "none" else 1
            text = run("export", trained, "--out", folder, *options, *use, "--fail-on", fail_on, code=code).stdout
            assert "overflows in" in text
    run("export", trained, "--out", tmp_path / "infer", *options)


def test_weights_beyond_what_the_proof_assumes_are_no_proof(trained, tmp_path):
    parameters, meta = load_weights(trained)
    parameters["fc1_weight"][0, 0] = 64
    save_weights(tmp_path / "m.npz", parameters, meta)
    options = ["--train", "--limit", 200, "--word", 16, "--golden", 3]
    found = json.loads(run("export", tmp_path / "m.npz", "--out", tmp_path / "out", *options, "--json").stdout)
    assert not found["proof"]["proved"]
    assert "fc1_weight[0, 0] is 64" in found["proof"]["fault"]
    assert not (tmp_path / "out" / "certificate.json").exists()


def test_other_feedback_matrices_are_refused(trained, tmp_path):
    """How they are drawn depends on the number of images; back-propagation has none."""
    options = ["export", trained, "--train", "--word", 16, "--golden", 3, "--limit", 100]
    result = run(*options, "--out", tmp_path / "out", code=2)
    assert "a training on 200 images, the data have 100" in result.stderr
    run(*options, "--algorithm", "bp", "--out", tmp_path / "out")


# --- figures in the audit -----------------------------------------------------------------------------------


def figures(**changes):
    run = {
        "target": "avr",
        "what": "a <chip>",
        "verdict": {"steps": 2, "identical": True},
        "size": {"text": 100, "data": 20, "bss": 3},
        "counts": {"unit": "cycles", "steps": [1200, 1100], "within": 0},
    }
    found = {"model": "m.npz", "use": "inference", "machine": "16 wrap", "layers": [64, 16, 10]}
    return {"schema": "pocketnn-export/1", **found, "runs": [run], **changes}


@pytest.fixture
def audit(weights, tmp_path):
    """`pocketnn audit` of the weights, with these files of figures."""

    def on(*contents, options=(), code=1):
        paths = []
        for number, content in enumerate(contents):
            paths += ["--figures", tmp_path / f"{number}.json"]
            paths[-1].write_text(content if isinstance(content, str) else json.dumps(content))
        return run("audit", weights, "--limit", 20, "--words", "8", *paths, *options, code=code)

    return on


def test_figures_of_targets_stand_in_the_report(audit, tmp_path):
    other = figures(runs=[{**figures()["runs"][0], "counts": None, "verdict": {"steps": 2, "identical": False}}])
    text = audit(figures(), other, options=["--html", tmp_path / "a.html", "--word", 8]).stdout
    assert "  a <chip>: 120 B of flash, 23 B of RAM, 1,100 to 1,200 cycles a step\n" in text
    assert "    m.npz, inference, 16 wrap; 2 steps identical to the emulator\n" in text
    assert "  a <chip>: 120 B of flash, 23 B of RAM, no counter\n" in text
    assert "2 steps DIFFERS from the emulator" in text
    page = (tmp_path / "a.html").read_text()
    assert "<td>a &lt;chip&gt;</td>" in page
    assert "<td>1,100 to 1,200 cycles a step</td>" in page


def test_figures_of_targets_stand_in_the_json(audit):
    found = json.loads(audit(figures(), options=["--word", 8, "--json"]).stdout)
    schema = json.loads(files("pocketnn.audit").joinpath("schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)
    (device,) = found["devices"]
    assert (device["counts"], device["layers"]) == (figures()["runs"][0]["counts"], [64, 16, 10])


def test_an_audit_without_figures_says_nothing_of_targets(audit):
    assert "on targets" not in audit(options=["--word", 8]).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not JSON"),
        ([], "no figures of a target"),
        ({"schema": "pocketnn-audit/3"}, "no figures of a target"),
        (figures(runs=[]), "ran on no target"),
        (
            figures(runs=[{}]),
            "0.json: runs[0].target is missing; give what `pocketnn export --run TARGET --json` wrote",
        ),
        (figures(layers=[64, "16", 10]), "0.json: layers[1] is '16'; a whole number from 0 to "),
        (figures(use=3), "0.json: use is 3; a text belongs here; give what `pocketnn export"),
        (
            figures(runs=[{**figures()["runs"][0], "counts": {"unit": "cycles", "steps": [], "within": 0}}]),
            "counts of no step",
        ),
        (figures(machine="\ud800"), r"a text has characters that cannot be shown: '\ud800'"),
        (figures(use="\x1b]0;a\x07"), r"a text has characters that cannot be shown: '\x1b]0;a\x07'"),
        (figures(layers=[64, 10**60, 10]), "an integer of 61 digits"),
        (figures(layers=[64, 12, 10]), "figures of m.npz are of a network 64-12-10, audited is 64-16-10"),
    ],
)
def test_bad_figures_are_one_line(audit, content, message):
    result = audit(content, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_figures_that_are_not_there(weights, tmp_path):
    assert "no.json: No such file" in run("audit", weights, "--figures", tmp_path / "no.json", code=2).stderr
