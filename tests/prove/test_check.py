"""The independent checker: accepts what the prover claims, and nothing that is any tighter, wider or forged."""

import copy
import json
import random
import re

import numpy as np
import pytest

from pocketnn.arith import Overflow, Ranges, Role, Tensor
from pocketnn.audit import Target
from pocketnn.machine import Widths
from pocketnn.prove import Certificate, Training, as_data, prove_inference, prove_training
from pocketnn.prove.certificate import examine
from pocketnn.prove.check import check, main
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved, read_saved

TARGET = Target(Widths.of(40), Overflow.WRAP)


def certified(program, target=TARGET):
    """The data of a certificate of any program of ops on ranges."""
    found = examine(program, target)
    certificate = Certificate("inference", target, {}, found.sites, found.invariants, steps=tuple(found.listing.steps))
    return json.loads(json.dumps(as_data(certificate)))


def training(**options):
    recipe = Recipe(**{"hidden": (4,), "batch": 3, "weight_limit": (50,), **options})
    return json.loads(json.dumps(as_data(prove_training(Training(recipe, 5, 3, 60, (0, 20)), TARGET))))


def remainders(m):
    """Two updates whose remainders are carried, a ladder, a maximum, a gather, a square and a root."""
    g, d = m.load(Ranges((2, 3), -1000, 900), Role.DELTA), m.constant(-7, "d")
    left = m.sub(g, m.mul(m.div(g, d), d))
    x = m.add(left, m.gather(m.load(Ranges((2, 4), -9, 9), Role.INPUT), Tensor((3,), (0, -1, 2))))
    y = m.select(x, m.constant([-3, 3], "below"), m.constant([-1, 0, 1], "sign"))
    m.max(m.isqrt(m.mul(x, x)), m.mul(m.reshape(m.transpose(x, (1, 0)), (2, 3)), y))
    m.argmax(m.neg(m.clamp(x, m.constant(-2, "lo"), m.constant(2, "hi"))))
    m.mul(m.add(x, m.constant(50, "away")), m.select(x, m.constant([-3, 3], "below"), m.constant([-1, 0, 1], "sign")))
    return {}


PROOFS = {
    "tanh": lambda: training(),
    "bp": lambda: training(algorithm="bp"),
    "no hidden layer": lambda: training(hidden=()),
    "sigmoid": lambda: training(activation="pocket_sigmoid", input_shift=2),
    "relu": lambda: training(activation="pocket_relu8bit"),
    "leaky relu": lambda: training(activation="pocket_leakyrelu"),
    "plu": lambda: training(activation="plu", epochs=20),
    "carried remainders": lambda: training(carry=True, one_sided=True, target_off=-3, gain=3, error_div=5, epochs=30),
    "centred": lambda: training(input_centre=9, init=20, lr_inv=(100, 300), schedule="linear"),
    "rescale": lambda: training(activation="rescale"),
    "ops": lambda: certified(remainders),
}


@pytest.fixture(scope="module")
def proofs():
    return {name: make() for name, make in PROOFS.items()}


@pytest.mark.parametrize("name", PROOFS)
def test_what_is_proved_is_verified(proofs, name):
    assert proofs[name]["proved"]
    assert check(proofs[name]) == []


@pytest.mark.parametrize("name", PROOFS)
def test_no_claim_can_be_tightened(proofs, name):
    """Every bound of every result is needed: one less, and the checker says where."""
    rng = random.Random(name)
    data = proofs[name]
    for number, step in enumerate(data["steps"]):
        if step["op"] == "load":
            continue
        forged = copy.deepcopy(data)
        claim = forged["steps"][number]
        claim.setdefault("hi", list(claim["lo"]))
        place = rng.choice([i for i, x in enumerate(claim["lo"]) if x is not None])
        if rng.random() < 0.5:
            claim["lo"][place] += 1
        else:
            claim["hi"][place] -= 1
        assert any(f"step {number}, " in fault for fault in check(forged)), (name, step)


@pytest.mark.parametrize("name", ["tanh", "bp", "rescale"])
def test_a_narrower_machine_is_refused(proofs, name):
    forged = copy.deepcopy(proofs[name])
    forged["machine"]["word"] = 12
    for step in forged["steps"]:
        step["word"] = 12
    assert any("does not fit its register" in fault for fault in check(forged))


def _set(path, value):
    def forge(data):
        *parents, last = path
        for key in parents:
            data = data[key]
        data[last] = value

    return forge


def _site(data, site):
    return next(step for step in reversed(data["steps"]) if step["site"] == site)


FORGERIES = {
    "not proved": (_set(["proved"], False), "does not claim"),
    "no steps": (_set(["steps"], []), "does not claim"),
    "no invariants": (_set(["invariants"], []), "without invariants"),
    "a bound that is no number": (lambda d: _site(d, "loss.sub")["lo"].append(float("nan")), "not a well-formed"),
    "a bound that is no integer": (lambda d: _site(d, "loss.sub")["lo"].append(1.5), "not a well-formed"),
    "an empty range": (lambda d: _site(d, "input.load").update(lo=[3], hi=[2]), "not a well-formed"),
    "an impossible assumption": (lambda d: _site(d, "input.load").update(lo=[None], hi=[None]), "must be possible"),
    "wider weights": (lambda d: _site(d, "fc1.load_weight").update(lo=[-9999], hi=[9999]), "does not cover"),
    "an operand from later": (lambda d: _site(d, "loss.sub").update(args=[99, 99]), "later step"),
    "another shape": (lambda d: _site(d, "fc1.forward.mac").update(shape=[4, 4], axes=[1, 1]), "its shape is not"),
    "other axes": (lambda d: _site(d, "fc1.forward.mac").update(axes=[2, 2]), "not a well-formed"),
    "a wider register": (lambda d: _site(d, "fc1.forward.mac").update(word=44), "its register has 44 bits"),
    "pieces by row": (lambda d: d["partitions"][1].update(by_row=True), "by element, not by row"),
    "no partitions": (_set(["partitions"], []), "not a well-formed"),
    "no machine": (lambda d: d.pop("machine"), "not a well-formed"),
    "another op": (lambda d: _site(d, "loss.sub").update(op="add"), "does not cover"),
    "an unknown op": (lambda d: _site(d, "loss.sub").update(op="xor"), "not a well-formed"),
    "division by what may be zero": (lambda d: _site(d, "neg_lr_inv").update(lo=[-1000], hi=[0]), "divided by zero"),
    "an invariant of nothing": (lambda d: d["invariants"][0].update(before=3, after=3), "no assumption|of another"),
    "an invariant that grows": (
        lambda d: d["invariants"][0].update(after=[s["site"] for s in d["steps"]].index("fc1.update.add")),
        "after a step",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_certificate_is_refused(proofs, name):
    forge, fault = FORGERIES[name]
    data = copy.deepcopy(proofs["tanh"])
    forge(data)
    found = check(data)
    assert found
    assert re.search(fault, " ".join(found)), found


def test_sums_over_rows_must_forget_their_classes(proofs):
    data = copy.deepcopy(proofs["tanh"])
    step = _site(data, "fcLast.update.bias_sum")
    rows = next(i for i, partition in enumerate(data["partitions"]) if partition["by_row"])
    count = data["partitions"][rows]["count"]
    step.update(keys=[rows], axes=[count, *step["axes"]], lo=step["lo"] * count, hi=step["hi"] * count)
    assert any("different cases are added up" in fault for fault in check(data))


@pytest.mark.parametrize("garbage", [{}, [], None, {"steps": 3}, {"steps": [1], "partitions": [], "proved": True}])
def test_what_is_no_certificate(garbage):
    assert "not a well-formed" in check(garbage)[0]


def test_weights_are_compared_with_what_is_assumed(tmp_path, golden, capsys):
    saved = read_saved(golden / "mnist-3-epochs")
    data = as_data(prove_inference(saved, (0, 255), Target(Widths.of(32), Overflow.WRAP)))
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(data))
    assert main([str(path), str(golden / "mnist-3-epochs")]) == 0
    assert "verified" in capsys.readouterr().out
    parameters = {name: np.asarray(matrix).tolist() for name, matrix in saved.parameters.items()}
    parameters["fc2_weight"][7][3] += 1
    (fault,) = check(data, parameters)
    assert fault.startswith("fc2_weight[7, 3] is ")
    assert check(data, {"fc9_weight": [[1]]}) == ["fc9_weight: not what the certificate is about"]


def test_exit_codes(tmp_path, capsys):
    path = tmp_path / "proof.json"
    assert main([]) == 2
    assert main([str(path)]) == 2
    path.write_text("{")
    assert main([str(path)]) == 2
    path.write_text("{}")
    assert main([str(path)]) == 1
    assert "not a well-formed certificate" in capsys.readouterr().out


def test_a_network_that_is_not_proved_lists_no_steps():
    saved = Saved({"fcLast_weight": [[100]], "fcLast_bias": [[0]]}, Recipe((), "as_is"))
    data = as_data(prove_inference(saved, (0, 255), Target(Widths.of(8), Overflow.WRAP)))
    assert not data["proved"]
    assert data["steps"] == []
    assert check(data) == ["it does not claim to prove anything"]
