"""Certificates that models and traces carry along: proved again, and no doctored one is taken for a proof."""

import contextlib
import json
import re
import sqlite3
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from traced import forge

from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.errors import PocketNNError
from pocketnn.machine import Widths
from pocketnn.prove import Training
from pocketnn.prove.stored import CERTIFICATE, as_stored, claimed, faults
from pocketnn.prove.training import certify
from pocketnn.recipe import Recipe
from pocketnn.saved import read_saved
from pocketnn.weights import load_weights, save_weights

TARGET = Target(Widths.of(32), Overflow.WRAP)
SMALL = ["--limit", "60", "--hidden", "6", "--epochs", "1"]


def run(*arguments):
    return CliRunner().invoke(main, [str(x) for x in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model and a trace of a training that was proved at 32 bits, with a loss limit, and what was printed."""
    folder = tmp_path_factory.mktemp("proved")
    model, trace = folder / "m.npz", folder / "t.pnt"
    result = run("train", *SMALL, "--prove", 32, "--loss-limit", 9000, "--save", model, "--trace", trace)
    assert result.exit_code == 0, result.output
    return model, trace, result.output


def verdicts(*arguments, code=0):
    result = run("audit", *arguments, "--words", 32, "--json")
    assert result.exit_code == code, result.output
    data = json.loads(result.stdout)
    return {site["site"]: site["machines"]["32 wrap"]["verdict"] for site in data["sites"]}, result.stderr


def test_train_says_what_it_chose(trained):
    images = "60 training images an epoch, of pixels 0..16"
    assert trained[2].startswith(f"PROVED: on 32 wrap nothing can overflow, whatever the seed and the {images}\n")
    assert "chosen for that: nothing\n" in trained[2]
    result = run("train", *SMALL, "--prove", 24, "--json")
    proof = json.loads(result.stdout)["proof"]
    assert proof["proved"] is True
    assert (proof["machine"], proof["inputs"], proof["samples"]) == ("24 wrap", [0, 16], 60)
    assert "weight_limit" in proof["chosen"]
    assert json.loads(run("train", *SMALL, "--json").stdout)["proof"] is None


def test_the_audit_of_the_model_and_of_the_trace_says_proved(trained):
    model, trace, _ = trained
    for what in ((model, "--limit", 60), (trace,)):
        found, stderr = verdicts(*what)
        assert stderr == ""
        assert {site for site, verdict in found.items() if verdict != "proved"} <= {"labels"}
    assert verdicts(trace)[0]["loss.epoch_add"] == "proved"
    said = run("audit", trace).stdout
    assert "certificate: PROVED: nothing can overflow on 32 wrap (training of 64-6-10 pocket_tanh" in said


def test_the_page_has_the_certificate_and_inputs_that_attain_its_bounds(trained, tmp_path):
    model = trained[0]
    page = tmp_path / "p.html"
    assert run("audit", model, "--limit", 60, "--html", page).exit_code == 0
    text = page.read_text()
    assert "PROVED: nothing can overflow on 32 wrap" in text
    assert "any run on any images of pixels 0..16" in text
    run("audit", model, "--limit", 60, "--html", page, "--prove", "--word", 17)
    text = page.read_text()
    assert "NOT PROVED: " in text
    assert text.count('<img class="input" alt="64 pixels from 0 to 255" src="data:image/png;base64,') >= 1
    assert "an input that attains fc1.forward.mac[0, " in text
    run("audit", "--limit", 60, "--hidden", 6, "--html", page)
    assert "Certificate" not in page.read_text()


def test_a_folder_of_weights_carries_it_too(trained, tmp_path):
    assert run("train", *SMALL, "--prove", 32, "--save", tmp_path / "w").exit_code == 0
    assert set(verdicts(tmp_path / "w", "--limit", 60)[0].values()) == {"proved"}


def test_the_machine_is_the_one_of_the_proof(trained):
    training, target = claimed(read_saved(trained[0]).certificate)
    assert (target.widths, target.overflow) == (Widths.of(32), Overflow.WRAP)
    assert (training.dims, training.inputs) == ((64, 6, 10), (0, 16))
    for more in (["--word", 16], ["--accumulator", 16]):
        result = run("train", *SMALL, "--prove", 32, *more)
        assert result.exit_code == 2
        assert "leave --word and --accumulator out" in result.stderr
    assert run("train", *SMALL, "--prove", 32, "--word", 32).exit_code == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data["claim"].update(batch=19), "it was changed: proving its claim again gives other"),
        (lambda data: data["machine"].update(word=31), "it was changed: proving its claim again gives other"),
        (lambda data: data["steps"][30].update(lo=[-1]), "it was changed: proving its claim again gives other steps"),
        (lambda data: data["invariants"].pop(), "gives other invariants"),
        (lambda data: data.update(op_table="0" * 64), "gives other op_table"),
        (lambda data: data.update(kind="inference"), "of a training belongs here"),
        (lambda data: data["claim"].pop("batch"), "KeyError"),
        (lambda data: data["machine"].update(word="32"), "the stored certificate is malformed"),
        (lambda data: data["claim"].update(dims=[64]), "the stored certificate is malformed"),
        (
            lambda data: data["claim"].update(batch=20.5),
            r"the stored certificate is malformed \(ValueError: batch is 20.5\)",
        ),
        (lambda data: data["claim"].update(epochs=10**12), "epochs is 1000000000000"),
        (lambda data: data["claim"].update(lr_inv=[10**30]), "lr_inv is"),
        (lambda data: data["claim"].update(dims=[64, 6, 10**4]), "10000 classes"),
        (lambda data: data["claim"].update(dims=[10**9, 6, 10]), "dims is"),
        (lambda data: data["claim"].update(dims=[64, *[6] * 1000, 10]), "1002 layers"),
        (lambda data: data["claim"].update(dims="64-100"), "malformed"),
        (lambda data: data["claim"].update(batch=float("nan")), "batch is nan"),
        (lambda data: data["claim"].update(activation="nope"), "activation 'nope' does not exist"),
        (lambda data: data.update(claim=None), "the stored certificate is malformed"),
    ],
)
def test_a_doctored_certificate_has_faults(trained, change, fault):
    text = read_saved(trained[0]).certificate
    assert faults(text) == []
    data = json.loads(text)
    change(data)
    found = faults(json.dumps(data))
    assert found
    assert re.search(fault, found[0]), found


def test_no_json_at_all_is_one_clear_line():
    for text in ("", "{", "[1]", "null", "[" * 100_000):
        with pytest.raises(PocketNNError, match="the stored certificate is malformed"):
            claimed(text)
        assert len(faults(text)) == 1


def test_weights_outside_what_is_assumed_prove_nothing(trained, tmp_path):
    parameters, meta = load_weights(trained[0])
    parameters["fc1_weight"][0, 0] = 40_000
    save_weights(tmp_path / "m.npz", parameters, meta)
    found, stderr = verdicts(tmp_path / "m.npz", "--limit", 60, code=3)
    assert "proved" not in found.values()
    assert "its certificate is REFUSED, it proves nothing of this: fc1_weight[0, 0] is 40000" in stderr


def test_another_network_or_other_pixels_prove_nothing(trained, tmp_path):
    parameters, meta = load_weights(trained[0])
    save_weights(
        tmp_path / "m.npz", parameters, {**meta, "recipe": json.dumps({**json.loads(meta["recipe"]), "input_shift": 1})}
    )
    stderr = verdicts(tmp_path / "m.npz", "--limit", 60, code=3)[1]
    assert "it is about input_shift 0, the weights are of 1" in stderr
    data = load_dataset("digits", 60)
    training, _ = claimed(str(meta[CERTIFICATE]))
    assert int(data.test.images.max()) == training.inputs[1]


def doctored(trained, tmp_path, change):
    """A copy of the trace with something changed by SQL."""
    path = tmp_path / "t.pnt"
    path.write_bytes(trained[1].read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as db:
        change(db)
        db.commit()
    return path


def other_subject(db):
    (subject,) = db.execute("SELECT value FROM header WHERE key = 'subject'").fetchone()
    changed = json.loads(subject)
    changed["facts"]["lr_inv"] = 10
    db.execute("UPDATE header SET value = ? WHERE key = 'subject'", [json.dumps(changed)])


def other_op(db):
    db.execute("UPDATE code SET op = 'sub' WHERE site = 'loss.epoch_add'")


def smaller_pixels(db):
    text = as_stored(certify(Training(Recipe((6,), epochs=1, loss_limit=9000), 64, 10, 60, (0, 9)), TARGET))
    db.execute("UPDATE header SET value = ? WHERE key = ?", [text, CERTIFICATE])


def fewer_images(db):
    text = as_stored(certify(Training(Recipe((6,), epochs=1, loss_limit=9000), 64, 10, 59, (0, 16)), TARGET))
    db.execute("UPDATE header SET value = ? WHERE key = ?", [text, CERTIFICATE])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (fewer_images, "it is about 2 steps an epoch, the trace has 3"),
        (other_subject, "it is about lr_inv 1000, the trace about 10"),
        (other_op, "loss.epoch_add: sub into loss, which is not in its program"),
        (smaller_pixels, "input.load: it is about 0..9, the trace has 0..16"),
    ],
)
def test_a_trace_of_something_else_proves_nothing(trained, tmp_path, change, fault):
    path = doctored(trained, tmp_path, change)
    result = run("audit", path, "--words", 32)
    assert result.exit_code == 3
    assert "the chain breaks" in result.stderr
    forge(path)
    result = run("audit", path, "--words", 32, "--json")
    assert fault in result.stderr
    assert result.exit_code == 3
    data = json.loads(result.stdout)
    assert "proved" not in {site["machines"]["32 wrap"]["verdict"] for site in data["sites"]}
    assert data["certificates"][0]["proved"] is False
    assert fault in data["certificates"][0]["verdict"]


def test_pixels_beyond_the_claim_prove_nothing(trained, tmp_path, monkeypatch):
    """That is no fault of the certificate, so the exit code is that of the audit."""

    def brighter(name, limit):
        data = load_dataset(name, limit)
        images = data.test.images.copy()
        images[0, 0] = 17
        return replace(data, test=replace(data.test, images=images))

    monkeypatch.setattr(sys.modules["pocketnn.cli.audit"], "load_dataset", brighter)
    found, stderr = verdicts(trained[0], "--limit", 60)
    assert "proved" not in found.values()
    assert "NOT APPLICABLE, it proves nothing of this: it is about pixels 0..16, the images have 0..17" in stderr
    assert np.max(load_dataset("digits", 60).test.images) == 16
