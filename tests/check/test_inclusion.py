"""Steps that are verified one by one: what the prover claims is accepted, and nothing that is any tighter."""

import copy
import random
import re

import pytest
from proofs import inference, of_program, step_at, training

from pocketnn.arith import OPS, Ranges, Role, Tensor
from pocketnn.check.inclusion import Inclusion
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved


def faults(data):
    """What is wrong with the steps; also what makes them unreadable."""
    try:
        return list(Inclusion(data).faults())
    except (ValueError, LookupError, TypeError) as error:
        return [f"unreadable: {error}"]


def every_op(m):
    """Two updates whose remainders are carried, a ladder, a maximum, a gather, a square and a root."""
    g, d = m.load(Ranges((2, 3), -1000, 900), Role.DELTA), m.constant(-7, "d")
    left = m.sub(g, m.mul(m.div(g, d), d))
    x = m.add(left, m.gather(m.load(Ranges((2, 4), -9, 9), Role.INPUT), Tensor((3,), (0, -1, 2))))
    y = m.select(x, m.constant([-3, 3], "below"), m.constant([-1, 0, 1], "sign"))
    m.max(m.isqrt(m.mul(x, x)), m.mul(m.reshape(m.transpose(x, (1, 0)), (2, 3)), y))
    m.argmax(m.neg(m.clamp(x, m.constant(-2, "lo"), m.constant(2, "hi"))))
    m.mul(m.add(x, m.constant(50, "away")), m.select(x, m.constant([-3, 3], "below"), m.constant([-1, 0, 1], "sign")))
    m.mac(x, m.sum(m.transpose(x, (1, 0)), 1))
    return {}


def normed():
    parameters = {"fcLast_weight": [[3, -2], [1, 2]], "fcLast_bias": [[0, 0]], "fcLast_gamma": [[2, 3]]}
    return Saved({**parameters, "fcLast_beta": [[1, -1]]}, Recipe((), batch_norm=True, batch=4))


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
    "limits": lambda: training(jitter=1, error_limit=9, loss_div=3, loss_limit=99, carry=True, carry_div=7),
    "batch statistics": lambda: inference(normed()),
    "ops": lambda: of_program(every_op),
}


@pytest.fixture(scope="module")
def proofs():
    return {name: make() for name, make in PROOFS.items()}


@pytest.mark.parametrize("name", PROOFS)
def test_what_is_proved_is_verified(proofs, name):
    assert proofs[name]["proved"]
    assert faults(proofs[name]) == []


def test_every_op_of_the_table_is_in_one_of_them(proofs):
    assert {step["op"] for data in proofs.values() for step in data["steps"]} == set(OPS)


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
        assert any(f"step {number}, " in fault for fault in faults(forged)), (name, step)


@pytest.mark.parametrize("name", ["tanh", "bp", "rescale"])
def test_a_narrower_machine_is_refused(proofs, name):
    forged = copy.deepcopy(proofs[name])
    forged["machine"]["word"] = 12
    for step in forged["steps"]:
        step["word"] = 12
    assert any("does not fit its register" in fault for fault in faults(forged))


FORGERIES = {
    "a bound that is no number": (lambda d: step_at(d, "loss.sub")["lo"].append(float("nan")), "unreadable"),
    "a bound that is no integer": (lambda d: step_at(d, "loss.sub")["lo"].append(1.5), "unreadable"),
    "a bound that is true": (lambda d: step_at(d, "gain").update(lo=[True]), "unreadable"),
    "an empty range": (lambda d: step_at(d, "input.load").update(lo=[3], hi=[2]), "a lower bound is above"),
    "an impossible assumption": (lambda d: step_at(d, "input.load").update(lo=[None], hi=[None]), "must be possible"),
    "wider weights": (lambda d: step_at(d, "fc1.load_weight").update(lo=[-9999], hi=[9999]), "does not cover"),
    "an operand from later": (lambda d: step_at(d, "loss.sub").update(args=[99, 99]), "later step"),
    "an operand from before": (lambda d: step_at(d, "loss.sub").update(args=[-1, 0]), "later step"),
    "an operand too many": (lambda d: step_at(d, "loss.sub")["args"].append(0), "as many operands"),
    "an operand of a load": (lambda d: step_at(d, "gain").update(args=[0]), "as many operands"),
    "another shape": (lambda d: step_at(d, "fc1.forward.mac").update(shape=[4, 4], axes=[1, 1]), "its shape is not"),
    "other axes": (lambda d: step_at(d, "fc1.forward.mac").update(axes=[2, 2]), "axes do not go with"),
    "a wider register": (lambda d: step_at(d, "fc1.forward.mac").update(word=44), "its register is 44 wrap"),
    "a saturating register": (lambda d: step_at(d, "loss.sub").update(overflow="saturate"), "is 40 saturate, the mach"),
    "pieces by row": (lambda d: d["partitions"][1].update(by_row=True), "by element"),
    "a piece too few": (lambda d: d["partitions"][1].update(count=6), "unreadable|one more than its bounds"),
    "too many cases": (lambda d: d["partitions"][1].update(count=10**15), "unreadable"),
    "no partitions": (lambda d: d.update(partitions=[]), "unreadable"),
    "a missing step": (lambda d: d["steps"].pop(3), "."),
    "another op": (lambda d: step_at(d, "loss.sub").update(op="add"), "does not cover"),
    "an unknown op": (lambda d: step_at(d, "loss.sub").update(op="xor"), "does not know this op"),
    "division by what may be zero": (lambda d: step_at(d, "neg_lr_inv").update(lo=[-1], hi=[0]), "divided by zero"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_steps_are_refused(name):
    forge, fault = FORGERIES[name]
    data = training(gain=3)
    forge(data)
    found = faults(data)
    assert found
    assert re.search(fault, " ".join(found)), found


def test_sums_over_rows_must_forget_their_classes(proofs):
    data = copy.deepcopy(proofs["tanh"])
    step = step_at(data, "fcLast.update.bias_sum")
    rows = next(i for i, partition in enumerate(data["partitions"]) if partition["by_row"])
    count = data["partitions"][rows]["count"]
    step.update(keys=[rows], axes=[count, *step["axes"]], lo=step["lo"] * count, hi=step["hi"] * count)
    assert any("different cases are added up" in fault for fault in faults(data))


# --- rows of the op table ------------------------------------------------------------------------------------------


def test_a_row_with_a_wrong_interval_rule_does_not_pass(monkeypatch):
    """The prover goes by the rule, the checker by the exact value: 100 - -100 is in no range up to 100."""
    monkeypatch.setitem(OPS, "sub", changed(OPS["sub"], interval=lambda a, b: (a[0] - b[0], a[1] - b[1])))

    def program(m):
        m.sub(m.load(Ranges((1,), -100, 100), Role.INPUT), m.load(Ranges((1,), -100, 0), Role.INPUT))
        return {}

    data = of_program(program)
    assert data["proved"]
    assert any("which (0, 100) does not cover" in fault for fault in faults(data))


def test_a_new_row_is_refused_whatever_its_rule_says(monkeypatch):
    """|x| over -100..100, said to be 100 everywhere: prover and machine believe it, and corners would confirm it."""
    row = changed(OPS["neg"], name="abs", exact=abs, interval=lambda x: (max(map(abs, x)),) * 2)
    monkeypatch.setitem(OPS, "abs", row)

    def program(m):
        m.apply(row, (m.load(Ranges((1,), -100, 100), Role.INPUT),), Role.ACCUMULATOR, "abs")
        return {}

    certificate = of_program(program)
    assert certificate["proved"]
    assert step_at(certificate, "abs")["lo"] == [100]
    assert [*faults(certificate)] == ["step 1, abs (abs): the checker does not know this op"]


def changed(row, **fields):
    """A row of the op table with some columns replaced."""
    return type(row)(**{**{name: getattr(row, name) for name in row.__dataclass_fields__}, **fields})
