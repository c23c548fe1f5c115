"""The checker as a program, in a process of its own: what it says, its exit codes, and what it loads."""

import json
import subprocess
import sys

import numpy as np
import pytest
from proofs import inference, training

from pocketnn.check.__main__ import main
from pocketnn.recipe import Recipe
from pocketnn.saved import read_saved
from pocketnn.weights import save_weights

TABLE = {"bounds", "ops", "semantics", "shapes", "terms"}  # what the op table is, and the digest of it


@pytest.fixture
def proof(tmp_path):
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(training()))
    return path


@pytest.fixture
def weights(tmp_path):
    """A network in a file, and the proof of its inference."""
    recipe = Recipe((2,), activation="rescale")
    parameters = {"fc1_weight": [[3, -2], [1, 2]], "fc1_bias": [[0, 1]], "fcLast_weight": [[4], [5]]}
    parameters["fcLast_bias"] = [[-1]]
    save_weights(tmp_path / "w.npz", parameters, {"recipe": json.dumps({**recipe_fields(recipe), "hidden": [2]})})
    (tmp_path / "i.json").write_text(json.dumps(inference(read_saved(tmp_path / "w.npz"))))
    return tmp_path / "i.json", tmp_path / "w.npz"


def recipe_fields(recipe):
    return {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}


def run(*arguments):
    command = [sys.executable, "-m", "pocketnn.check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_what_it_says_of_a_proof(proof):
    done = run(proof)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "verified: 76 steps, nothing can overflow on registers of 40 bits (wrap)"
    assert "in training as the certificate claims it:" in lines
    assert "  pixels (input.load, 3 x 9): any within 0..20" in lines
    assert "weight_limit [50]" in " ".join(done.stdout.split())
    assert "not checked:" in lines
    assert max(map(len, lines)) <= 100


def test_what_it_says_of_a_forgery(proof):
    data = json.loads(proof.read_text())
    data["claim"]["weight_limit"] = 32767
    proof.write_text(json.dumps(data))
    done = run(proof)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("NOT VERIFIED:\nit was changed after it was made: its digest is another\n")
    assert "clamp_hi (load): it is not what the claim says: [], 32767, into constant" in done.stdout


def test_exit_codes(tmp_path, capsys):
    path = tmp_path / "proof.json"
    assert main([]) == 2
    assert main(["--help"]) == 2
    assert main([str(path)]) == 2
    path.write_text("{")
    assert main([str(path)]) == 2
    path.write_text("[" * 100_000)
    assert main([str(path)]) == 2
    path.write_text("{}")
    assert main([str(path)]) == 1
    assert "not a well-formed certificate" in capsys.readouterr().out


def test_weights_from_files(weights, tmp_path, capsys):
    proof, file = weights
    assert main([str(proof)]) == 0
    assert "give WEIGHTS" in capsys.readouterr().out
    assert main([str(proof), str(file)]) == 0
    assert "give WEIGHTS" not in capsys.readouterr().out
    folder = tmp_path / "folder"
    save_weights(folder, read_saved(file).parameters, {})
    assert main([str(proof), str(folder)]) == 0
    (folder / "fc1_bias.csv").write_text("0,2,\n")
    assert main([str(proof), str(folder)]) == 1
    assert "fc1_bias[0, 1] is 2, the certificate assumes 1..1" in capsys.readouterr().out


def test_weights_of_another_recipe(weights, tmp_path, capsys):
    proof, file = weights
    saved = read_saved(file)
    fields = {**recipe_fields(saved.recipe), "input_shift": 1}
    save_weights(tmp_path / "o.npz", saved.parameters, {"recipe": json.dumps(fields)})
    assert main([str(proof), str(tmp_path / "o.npz")]) == 1
    assert "the weights come from a training with input_shift 1, it is about 0" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100])
def test_what_are_no_weights(proof, tmp_path, content, capsys):
    (tmp_path / "w.npz").write_bytes(content)
    assert main([str(proof), str(tmp_path / "w.npz")]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'w.npz'}: ")
    (tmp_path / "empty").mkdir()
    assert main([str(proof), str(tmp_path / "empty")]) == 2
    (tmp_path / "empty" / "fc1_weight.csv").write_bytes(b"1,x,\n")
    assert main([str(proof), str(tmp_path / "empty")]) == 2
    np.savez(tmp_path / "o.npz", fc1_weight=np.array([[0.5]]))
    assert main([str(proof), str(tmp_path / "o.npz")]) == 2
    np.savez(tmp_path / "p.npz", fc1_weight=np.array([[{}]]), allow_pickle=True)
    assert main([str(proof), str(tmp_path / "p.npz")]) == 2


def loaded(*arguments):
    """The modules of pocketnn, and NumPy, that a process has loaded once it has verified a proof."""
    code = (
        "import sys; from pocketnn.check.__main__ import main; code = main(sys.argv[1:]); print(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", f"{code}; sys.exit(code)", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    modules = done.stdout.splitlines()[-1].split()
    return {name for name in modules if name.split(".")[0] in ("pocketnn", "numpy")}


def test_it_stands_alone(proof, weights):
    """Of the package it loads the op table and itself: no prover, no network, no backend, no interval arithmetic."""
    modules = loaded(proof)
    own = {name for name in modules if name.startswith("pocketnn.check")}
    assert own >= {"pocketnn.check", "pocketnn.check.inclusion", "pocketnn.check.wiring"}
    assert modules - own == {"pocketnn", "pocketnn.arith", "pocketnn.errors", *(f"pocketnn.arith.{m}" for m in TABLE)}
    modules = loaded(*weights)
    assert {name for name in modules if name.split(".")[0] == "pocketnn"} - own == {
        "pocketnn", "pocketnn.arith", "pocketnn.errors", *(f"pocketnn.arith.{m}" for m in TABLE)
    }  # fmt: skip
