"""Whole certificates: a claim that was altered, or is false from the start, does not pass.

Every forgery is tried as it is, and with a digest made anew for it. The second is what a careful forger would write.
"""

import copy
import json
import random
import re

import numpy as np
import pytest
from proofs import TARGET, inference, sealed, step_at, training

from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.check import SCHEMA, Checked, check, digest_of
from pocketnn.machine import Widths
from pocketnn.prove import Training, as_data
from pocketnn.prove.training import certify
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved


def position(data, site, op=None):
    return data["steps"].index(step_at(data, site, op))


def claim(**fields):
    return lambda data: data["claim"].update(fields)


def at(where, **fields):
    return lambda data: step_at(data, where).update(fields)


def of_sites(**fields):
    def change(data):
        for site in data["sites"]:
            site.update({name: value(site) if callable(value) else value for name, value in fields.items()})

    return change


def top(**fields):
    return lambda data: data.update(fields)


def nothing_changes(data):
    for kept in data["invariants"]:
        kept.update(after=kept["before"], range_after=kept["range_before"])


def add_twice(data):
    step = step_at(data, "fc1.update.add")
    step["args"] = [step["args"][0]] * 2


def cut_after(site):
    def change(data):
        del data["steps"][position(data, site) + 1 :]
        data["invariants"] = [kept for kept in data["invariants"] if kept["after"] < len(data["steps"])]
        known = {(step["site"], step["op"]) for step in data["steps"]}
        data["sites"] = [site for site in data["sites"] if (site["site"], site["op"]) in known]

    return change


def wider_role(data):
    data["machine"]["roles"]["delta"] = 48
    for step in data["steps"]:
        if step["role"] == "delta":
            step["word"] = 48


def only_in_another_role(data):
    data["machine"]["roles"]["input"] = 48
    step_at(data, "fc1.forward.mac").update(role="input", word=48)


ALTERED = {  # what the claim says, and what the steps do not
    "pixels": (claim(inputs=[0, 65535]), "input.load .*not what the claim says"),
    "weight limit": (claim(weight_limit=32767), "clamp_lo .*not what the claim says"),
    "weight limits": (claim(weight_limit=[50, 51]), "fcLast.clamp_hi .*not what the claim says"),
    "batch": (claim(batch=300), "input.load .*not what the claim says"),
    "dims": (claim(dims=[3072, 1000, 10]), "fc1.load_weight .*not what the claim says"),
    "a layer more": (claim(dims=[9, 4, 4, 3]), "fc2.load_weight .* the certificate does not"),
    "rates": (claim(rates=[[1, 1]]), "the claim has rates"),
    "learning rate": (claim(lr_inv=1, rates=[[1, 8]]), "neg_lr_inv .*not what the claim says"),
    "epochs": (claim(epochs=99, rates=[[1000, 1000 << 9]]), "neg_lr_inv .*not what the claim says"),
    "samples": (claim(samples=10**9), "epoch_loss .*not what the claim says"),
    "algorithm": (claim(algorithm="bp"), "fc1.backward.transpose_delta .* the certificate does not"),
    "activation": (claim(activation="pocket_sigmoid"), "fc1.activation.over .*not what the claim says"),
    "activation that is none": (claim(activation="relu"), "activation relu"),
    "batch norm": (claim(batch_norm=True), "fc1_gamma: a step carries it"),
    "carry": (claim(carry=True), "fc1_weight_remainder: a step carries it"),
    "targets": (claim(target_on=16), "target .*not what the claim says"),
    "targets of the others": (claim(target_off=-1), "target .*not what the claim says"),
    "one-sided": (claim(one_sided=True), "loss.select_sign .* the certificate does not"),
    "gain": (claim(gain=100), "gain_mul .* the certificate does not"),
    "error divisor": (claim(error_div=3), "fc1.backward.error_div .* the certificate does not"),
    "error limit": (claim(error_limit=9), "loss.clamp_error .* the certificate does not"),
    "feedback limit": (claim(feedback_limit=30000), "load_feedback .*not what the claim says"),
    "initial values": (claim(init=60), "fc1.load_weight .*not what the claim says"),
    "scale": (claim(scale=1), "fc1.activation.scale_by .*not what the claim says"),
    "activation divisor": (claim(activation_div=2), "fcLast.forward.input_div .* the certificate does not"),
    "input shift": (claim(input_shift=1), "input.shift .* the certificate does not"),
    "input centre": (claim(input_centre=1), "input.centre .* the certificate does not"),
    "jitter": (claim(jitter=1), "input.gather .* the certificate does not"),
    "loss divisor": (claim(loss_div=2), "loss.divide .* the certificate does not"),
    "loss limit": (claim(loss_limit=9), "loss.epoch_clamp .* the certificate does not"),
    "convolution": (claim(conv=[4]), "convolution layers, which the checker does not know"),
    "nothing": (top(claim={}), "has no activation"),
    "a field more": (claim(momentum=9), "unknown field momentum"),
    "a field of another kind": (claim(batch="3"), "the claim has batch 3"),
    "kind": (top(kind="inference"), "unknown field"),
    "kind, and its claim": (
        lambda d: d.update(
            kind="inference", invariants=[],
            claim={**{name: d["claim"][name] for name in (
                "dims", "inputs", "activation", "batch_norm", "input_shift", "input_centre", "scale", "activation_div"
            )}, "rows": None},
        ),
        "loss.sub .*the claimed program has no such op there",
    ),
    "a kind that is none": (top(kind="proof"), f"{SCHEMA} of inference or training belongs here"),
    "schema": (top(schema="pocketnn-audit/2"), f"{SCHEMA} of inference or training belongs here"),
    "op table": (top(op_table="0" * 64), "about another op table"),
    "not proved": (top(proved=False), "does not claim to prove"),
    "a counterexample": (top(counterexample={"inputs": [], "witness": ""}), "does not claim to prove"),
    "overflow mode": (lambda d: d["machine"].update(overflow="saturate"), "40 wrap, the machine's 40 saturate"),
    "an overflow mode that is none": (lambda d: d["machine"].update(overflow="trap"), "no machine that does trap"),
    "word": (lambda d: d["machine"].update(word=16), "its register is 40 wrap, the machine's 16"),
    "a word that is none": (lambda d: d["machine"].update(word=400), "there is no machine of 400 bits"),
    "a role that is none": (lambda d: d["machine"]["roles"].update(host=48), "there is no machine"),
    "sites halved and attained": (
        of_sites(range=lambda s: [x // 2 for x in s["range"]], attained=True), "attained is True|range is",
    ),
    "sites attained": (of_sites(attained=True), "attained is True"),
    "bits": (of_sites(bits=2), "bits is 2, its steps say"),
    "any order": (of_sites(any_order=[0, 0]), "any_order is"),
    "words of sites": (of_sites(word=8), "word is 8, its steps say 40"),
    "sites that do not fit": (of_sites(fits=False), "fits is False"),
    "no sites": (top(sites=[]), "sites are not those of the steps"),
    "a site less": (lambda d: d["sites"].pop(7), "sites are not those of the steps"),
    "a site twice": (lambda d: d["sites"].append(d["sites"][0]), "sites are not those of the steps: some are there tw"),
    "range before": (lambda d: d["invariants"][0].update(range_before=[-9, 9]), "not what the invariant says"),
    "range after": (lambda d: d["invariants"][0].update(range_after=[0, 0]), "not what the invariant says"),
    "an invariant that does not hold": (lambda d: d["invariants"][0].update(holds=False), "not what the invariant"),
    "one invariant less": (lambda d: d["invariants"].pop(), "a step carries it, and no invariant holds it"),
    "only one invariant": (lambda d: d.update(invariants=d["invariants"][-1:]), "fc1_weight: a step carries it"),
    "no invariants": (top(invariants=[]), "fc1_weight: a step carries it"),
    "an invariant twice": (lambda d: d["invariants"].append(d["invariants"][0]), "fc1_weight: two invariants"),
    "an invariant of nothing": (lambda d: d["invariants"][0].update(name="fc9_weight"), "fc9_weight: not carried"),
    "a step that changes nothing": (nothing_changes, "not what the claimed program carries"),
    "an invariant that ends too early": (
        lambda d: d["invariants"][0].update(after=position(d, "fc1.update.add")), "not what the claimed program",
    ),
    "an update that adds weights": (add_twice, "fc1.update.add .*it is not wired as the claimed program"),
    "the forward pass alone": (cut_after("fcLast.activation.add"), "loss.sub .* the certificate does not"),
    "all but the last update": (cut_after("fc1.update.mac"), "fc1.update.clamp .* the certificate does not"),
}  # fmt: skip

FALSE = {  # programs that are not the claim's, and assumptions that are smaller than it
    "smaller pixels": (at("input.load", hi=[9]), "input.load .*not what the claim says"),
    "black images": (at("input.load", lo=[0], hi=[0]), "input.load .*not what the claim says"),
    "smaller weights": (at("fc1.load_weight", lo=[-5], hi=[5]), "fc1.load_weight .*not what the claim says"),
    "smaller feedback": (at("fc1.backward.load_feedback", lo=[-1], hi=[1]), "load_feedback .*not what the claim says"),
    "one class alone": (
        at("target", keys=[], axes=[1, 3], lo=[15, 0, 0], hi=[15, 0, 0]), "target .*not what the claim says"
    ),
    "the first epoch alone": (at("neg_lr_inv", lo=[-1000], hi=[-1000]), "neg_lr_inv .*the certificate does not"),
    "the first step alone": (at("epoch_loss", lo=[0], hi=[0]), "epoch_loss .*not what the claim says"),
    "a tighter clamp": (at("fc1.clamp_hi", lo=[40]), "fc1.clamp_hi .*not what the claim says"),
    "a greater scale": (at("fc1.activation.scale_by", lo=[1 << 20]), "scale_by .*not what the claim says"),
    "another ladder": (at("fc1.activation.times", lo=[0] * 7), "activation.times .*not what the claim says"),
    "another site": (at("fc1.update.mac", site="fc1.update.dot"), "fc1.update.dot .*has no such op there"),
    "another op": (at("loss.sub", op="max"), "loss.sub .*has no such op there"),
    "another axis": (at("loss.batch_sum", params=[1]), "loss.batch_sum .*(its shape|not wired)"),
    "another role": (only_in_another_role, "fc1.forward.mac .*not wired as the claimed program: .*, into accumulator"),
    "a step too many": (lambda d: d["steps"].append(dict(d["steps"][-1])), "it is there twice"),
    "a load too many": (
        lambda d: d["steps"].append({**d["steps"][0], "site": "fc9.load_weight"}), "loads nothing there"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def proof():
    return training(epochs=30)


def test_the_proof_is_one(proof):
    assert check(proof) == []


@pytest.mark.parametrize("name", [*ALTERED, *FALSE])
def test_a_forged_certificate_is_refused(proof, name):
    forge, fault = {**ALTERED, **FALSE}[name]
    data = copy.deepcopy(proof)
    forge(data)
    assert check(data)
    found = check(sealed(data))
    assert found
    assert re.search(fault, "\n".join(found)), found


@pytest.mark.parametrize(
    "name", ["pocketnn", "limits", "notes", "attaining", "sha256"]
)  # what the checker does not understand is under the digest all the same
def test_nothing_else_was_changed_either(proof, name):
    assert check({**proof, name: "other"}) == ["it was changed after it was made: its digest is another"]


def test_no_range_of_33_can_lie(proof):
    """Any bound of any step, by one or by half, inwards or outwards: a false range, or one that is not the claim's."""
    rng = random.Random(33)
    for _ in range(33):
        data = copy.deepcopy(proof)
        step = rng.choice(data["steps"])
        step.setdefault("hi", list(step["lo"]))
        place = rng.choice([i for i, x in enumerate(step["lo"]) if x is not None])
        side, by = rng.choice(["lo", "hi"]), rng.choice([-1, 1])
        step[side][place] += by * rng.choice([1, abs(step[side][place]) // 2 + 1])
        assert check(data), step
        assert check(sealed(data)), step


def test_a_mode_changed_everywhere_is_another_theorem_that_is_true(proof):
    """Where nothing can overflow it is all the same what a register would do."""
    data = copy.deepcopy(proof)
    data["machine"]["overflow"] = "saturate"
    for step in data["steps"]:
        step["overflow"] = "saturate"
    assert check(sealed(data)) == []
    assert check(sealed(data)) == check(training(Target(Widths.of(40), Overflow.SATURATE), epochs=30))


@pytest.mark.parametrize("garbage", [{}, [], None, 3, "x", {"schema": SCHEMA}, {"schema": SCHEMA, "kind": "training"}])
def test_what_is_no_certificate(garbage):
    assert "not a well-formed" in check(garbage)[0]


def test_hostile_sizes_take_no_time(proof):
    for forge in (
        claim(dims=[1 << 40, 4, 3]), claim(dims=[9] * 1000), claim(dims=[9, 4, 1 << 15]), claim(epochs=10**12),
        claim(lr_doubling=0), claim(carry_div=-1, lr_inv=0), claim(batch=0), claim(weight_limit=[]),
        lambda d: d["partitions"].append({"count": 10**18, "by_row": True, "pieces": None}),
        at("fc1.forward.mac", shape=[3, 10**9], axes=[1, 1]),
    ):  # fmt: skip
        data = copy.deepcopy(proof)
        forge(data)
        assert check(sealed(data))


# --- networks ------------------------------------------------------------------------------------------------------


def network(**options):
    rng = np.random.default_rng(0)
    recipe = Recipe((3,), **options)
    parameters = {
        "fc1_weight": rng.integers(-9, 10, (4, 3)), "fc1_bias": rng.integers(-9, 10, (1, 3)),
        "fcLast_weight": rng.integers(-9, 10, (3, 2)), "fcLast_bias": rng.integers(-9, 10, (1, 2)),
    }  # fmt: skip
    if recipe.batch_norm:
        for layer, count in (("fc1", 3), ("fcLast", 2)):
            parameters[f"{layer}_gamma"] = rng.integers(1, 10, (1, count))
            parameters[f"{layer}_beta"] = rng.integers(-9, 10, (1, count))
    return Saved(parameters, recipe)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (claim(rows=4), "unknown|no number of rows"),
        (claim(inputs=[0, 999]), "input.load .*not what the claim says"),
        (claim(dims=[4, 2]), "no such op there"),
        (claim(activation="as_is"), "activation.move .* the certificate does not"),
        (claim(scale=[7, 7]), "scale_by .*not what the claim says"),
        (at("fc1.load_weight", lo=[-9] * 12, hi=[9] * 12), "fc1.load_weight .*not what the claim says"),
        (top(invariants=[{"name": "fc1_weight", "before": 0, "after": 0}]), "not carried"),
    ],
)
def test_a_forged_proof_of_inference_is_refused(change, fault):
    data = inference(network())
    assert check(data) == []
    change(data)
    assert check(data)
    assert re.search(fault, "\n".join(check(sealed(data))))


def test_batches_of_any_size_are_claimed():
    data = inference(network(batch_norm=True, batch=5))
    assert check(data) == []
    data["claim"]["rows"] = 6
    assert any("fc1.norm.rows (load): it is not what the claim says" in fault for fault in check(sealed(data)))
    data = inference(network(batch_norm=True, batch=1))
    assert check(data) == []


def test_weights_are_compared_with_what_is_assumed():
    saved = network()
    data = inference(saved)
    parameters = {name: matrix.tolist() for name, matrix in saved.parameters.items()}
    assert check(data, parameters) == []
    parameters["fcLast_weight"][2][1] += 1
    (fault,) = check(data, parameters)
    assert fault.startswith("fcLast_weight[2, 1] is ")


def test_other_weights_are_not_what_it_is_about(proof):
    found = check(proof, {"fc1_weight": [[1]], "fc9_weight": [[1]]})
    assert found == [
        "fc1_bias: not in the weights",
        "fc9_weight: not in the certificate",
        "fcLast_bias: not in the weights",
        "fcLast_weight: not in the weights",
        "fc1_weight: 1 x 1, the certificate is about (9, 4)",
    ]


def test_weights_of_another_training_are_told_apart(proof):
    (fault,) = Checked(proof, None, {"activation": "pocket_tanh", "batch": 4, "seed": 9}).faults
    assert fault == "the weights come from a training with batch 4, it is about 3"


def test_a_network_that_is_not_proved_lists_no_steps():
    saved = Saved({"fcLast_weight": [[100]], "fcLast_bias": [[0]]}, Recipe((), activation="as_is"))
    data = inference(saved, (0, 255), Target(Widths.of(8), Overflow.WRAP))
    assert not data["proved"]
    assert data["steps"] == []
    assert check(data)[0] == "it does not claim to prove anything"


def test_the_digest_is_the_same_for_what_json_reads_back():
    certificate = certify(Training(Recipe((4,), weight_limit=(9,)), 5, 3, 60), TARGET)
    data = as_data(certificate)
    assert data["sha256"] == digest_of(json.loads(json.dumps(data)))
