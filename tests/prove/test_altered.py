"""Altered and forged certificates inside a model: not one is taken for a proof, and the audit does not end with 0."""

import json
import random
from dataclasses import replace

import pytest
from click.testing import CliRunner

from pocketnn.audit import Evaluation
from pocketnn.check import digest_of
from pocketnn.cli import main
from pocketnn.data import load_dataset
from pocketnn.prove.stored import CERTIFICATE
from pocketnn.prove.verdicts import unproved
from pocketnn.saved import read_saved
from pocketnn.weights import load_weights, save_weights

SMALL = ["--limit", "60", "--hidden", "6", "--epochs", "1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("proved") / "m.npz"
    result = CliRunner().invoke(main, ["train", *SMALL, "--prove", "32", "--save", str(path)])
    assert result.exit_code == 0, result.output
    return path


def other(value):
    """Something of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return {"dfa": "bp", "doubling": "linear", "pocket_tanh": "rescale", "wrap": "saturate"}.get(value, f"{value}0")
    if isinstance(value, list):
        return [other(value[0]), *value[1:]] if value else [3]
    return {"changed": True} if value is None else {**value, "more": 1}


def altered(data):
    """By name, certificates in which one thing is another: every field of the claim, and a sample of all else."""
    rng = random.Random(60)
    places = [("claim", name) for name in data["claim"]]
    places += [("machine", name) for name in ("word", "overflow", "roles")]
    places += [
        ("steps", rng.randrange(len(data["steps"])), rng.choice(["op", "lo", "args", "role"])) for _ in range(12)
    ]
    places += [
        ("sites", i, name) for i, name in ((0, "range"), (9, "bits"), (20, "word"), (30, "fits"), (40, "attained"))
    ]
    places += [("invariants", 0, name) for name in data["invariants"][0]]
    places += [("partitions", 1, "count"), *((name,) for name in data)]
    for *path, last in dict.fromkeys(places):
        changed = json.loads(json.dumps(data))
        inner = changed
        for key in path:
            inner = inner[key]
        inner[last] = other(inner[last])
        yield "/".join(map(str, (*path, last))), changed


def test_no_altered_certificate_is_taken_for_a_proof(model):
    """Each with a digest made anew, as a forger would: but for the release that proved it, which the digest keeps."""
    saved, images = read_saved(model), load_dataset("digits", 60)

    def refused(data):
        source = Evaluation("m", replace(saved, certificate=json.dumps(data)), images)
        return next(unproved(source), None) is not None

    data = json.loads(saved.certificate)
    assert not refused(data)
    names = []
    for name, changed in altered(data):
        names.append(name)
        sealed = changed if name in ("pocketnn", "sha256") else {**changed, "sha256": digest_of(changed)}
        assert refused(sealed), name
    assert len(names) >= 60
    assert "claim/init" in names


FORGED = {
    "only the last invariant": lambda d: d.update(invariants=d["invariants"][-1:]),
    "no invariants": lambda d: d.update(invariants=[]),
    "no claim": lambda d: d.update(claim={}),
    "a greater weight limit": lambda d: d["claim"].update(weight_limit=2 << 20),
    "all pixels": lambda d: d["claim"].update(inputs=[0, 65535]),
    "any batch": lambda d: d["claim"].update(batch=2000),
    "a wider claim of initial values": lambda d: d["claim"].update(init=1 << 20),
    "sites of two bits": lambda d: [site.update(bits=2) for site in d["sites"]],
    "no sites": lambda d: d.update(sites=[]),
    "no backward pass": lambda d: d.update(steps=d["steps"][:40]),
    "an update that does nothing": lambda d: [kept.update(after=kept["before"]) for kept in d["invariants"]],
    "another use": lambda d: d.update(kind="inference"),
    "smaller weights": lambda d: next(s for s in d["steps"] if s["site"] == "fc1.load_weight").update(lo=[-1], hi=[1]),
    "no steps": lambda d: d.update(steps=[], partitions=[]),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_audit_with_a_forged_certificate_ends_with_3(model, tmp_path, name):
    parameters, meta = load_weights(model)
    data = json.loads(meta[CERTIFICATE])
    FORGED[name](data)
    forged = {**data, "sha256": digest_of(data)}
    save_weights(tmp_path / "m.npz", parameters, {**meta, CERTIFICATE: json.dumps(forged)})
    options = ["audit", str(tmp_path / "m.npz"), "--limit", "60", "--words", "32", "--fail-on", "none"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 3, result.output
    assert "its certificate is REFUSED, it proves nothing of this: " in result.stderr
    assert "REFUSED" in result.stdout
    assert " P" not in [line[-2:] for line in result.stdout.splitlines()]
