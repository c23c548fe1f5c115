"""The second description of the network and its training is that of the network's own code."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import plain

from pocketnn.activations import ACTIVATIONS
from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.check import Checked, check
from pocketnn.check.activations import ACTIVATIONS as DESCRIBED
from pocketnn.check.claim import Claim
from pocketnn.check.inclusion import Inclusion
from pocketnn.check.network import inference
from pocketnn.check.program import Program
from pocketnn.check.training import training_step
from pocketnn.check.wiring import Wiring
from pocketnn.machine import Widths
from pocketnn.prove import Training, as_data, prove_inference
from pocketnn.prove.data import program_data
from pocketnn.prove.training import certify
from pocketnn.recipe import ALGORITHMS, SCHEDULES, Recipe
from pocketnn.recipes import RECIPES
from pocketnn.saved import Saved
from pocketnn.train import architecture_of

SCALED = ("pocket_tanh", "pocket_sigmoid", "rescale")


def numbers(count, values):
    """One for all layers, or one each."""
    return st.one_of(
        st.sampled_from(values), st.lists(st.sampled_from(values), min_size=count, max_size=count).map(tuple)
    )


@st.composite
def recipes(draw, activations=tuple(ACTIVATIONS), batch_norm=None):
    """Any recipe without convolutions, each field often as in the reference."""
    hidden = tuple(draw(st.lists(st.integers(1, 4), max_size=2)))
    activation = draw(st.sampled_from(activations))
    norm = draw(st.booleans()) if batch_norm is None else batch_norm
    layers, count = len(hidden) + 1, len(hidden)
    return Recipe(
        hidden, activation, draw(st.sampled_from(ALGORITHMS)), norm,
        epochs=draw(st.sampled_from([0, 1, 12])), batch=draw(st.integers(1, 4)),
        lr_inv=draw(numbers(layers, [90, 900])), input_shift=draw(st.integers(0, 2)),
        input_centre=draw(st.integers(0, 2)), jitter=draw(st.integers(0, 1)),
        init=draw(numbers(layers, [5, 60])) if draw(st.booleans()) else (), schedule=draw(st.sampled_from(SCHEDULES)),
        lr_doubling=draw(st.integers(1, 9)), carry=draw(st.booleans()), target_on=draw(st.integers(1, 20)),
        target_off=draw(st.integers(-20, 0)), one_sided=draw(st.booleans()), gain=draw(st.integers(1, 3)),
        error_div=draw(numbers(count, [1, 2, 3])), weight_limit=draw(numbers(layers, [3, 50])),
        carry_div=0 if norm else draw(st.integers(0, 9)), error_limit=draw(st.integers(0, 9)),
        feedback_limit=draw(numbers(count, [1, 7])) if draw(st.booleans()) else (),
        scale=draw(numbers(layers, [1, 64])) if activation in SCALED and draw(st.booleans()) else (),
        activation_div=draw(numbers(count, [1, 2, 3])), loss_div=draw(st.integers(1, 3)),
        loss_limit=draw(st.sampled_from([0, 99])),
    )  # fmt: skip


def differences(certificate):
    """How the steps of a certificate, proved or not, differ from the description of its claim. What an epoch's losses
    can be is left out: where their sum can overflow it is anything."""
    data = json.loads(json.dumps({**as_data(certificate), **program_data(certificate.steps)}))
    steps, claim, program = Inclusion(data), Claim(data["kind"], data["claim"]), Program()
    if claim.training:
        training_step(program, claim, 0)
    else:
        inference(program, claim)
    return [x for x in Wiring(program, data["steps"], steps.values).faults if "epoch_loss" not in x]


def certified(recipe, samples, pixels=4, classes=3):
    """The certificate on registers of 48 bits, verified if it is a proof."""
    plan = Training(recipe, pixels, classes, samples, (samples % 3 - 1, samples % 3 + 5))
    certificate = certify(plan, Target(Widths.of(48), Overflow.WRAP))
    if certificate.proved:
        assert check(plain(certificate)) == []
    return certificate


@given(recipe=recipes(), samples=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_trainings_are_described(recipe, samples):
    assert differences(certified(recipe, samples)) == []


@pytest.mark.slow
@given(recipe=recipes(), samples=st.integers(0, 99))
@settings(max_examples=250, deadline=None)
def test_many_trainings_are_described(recipe, samples):
    assert differences(certified(recipe, samples)) == []


EASY = ("pocket_tanh", "pocket_sigmoid", "pocket_relu8bit", "plu", "rescale")  # provable with weights as small as here


@given(recipe=recipes(EASY, batch_norm=False), samples=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_proofs_of_trainings_are_verified(recipe, samples):
    assert certified(recipe, samples).proved


@pytest.mark.parametrize("name", RECIPES)
def test_the_named_recipes_are_described(name):
    assert differences(certified(RECIPES[name].recipe, 60000, pixels=16, classes=10)) == []


def test_batch_statistics_that_never_learn_have_a_proof():
    """With a learning rate so small that no gamma and no beta ever changes."""
    recipe = Recipe((), batch_norm=True, batch=2, weight_limit=1, lr_inv=1 << 40)
    assert certified(recipe, 9, pixels=1, classes=2).proved


@given(recipe=recipes(), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=25, deadline=None)
def test_networks_are_described(recipe, seed, data):
    rng = np.random.default_rng(seed)
    zeros = architecture_of(recipe, 4, 3).zeros()
    parameters = {name: rng.integers(-3, 4, np.shape(value)) for name, value in zeros.items()}
    saved = Saved(parameters, recipe)
    certificate = prove_inference(saved, (0, data.draw(st.integers(0, 9))), Target(Widths.of(48), Overflow.WRAP))
    assert differences(certificate) == []
    if certificate.proved:
        assert Checked(plain(certificate), {name: m.tolist() for name, m in parameters.items()}).faults == []


def test_no_activation_is_left_out():
    assert set(DESCRIBED) == set(ACTIVATIONS)


def test_what_it_assumes_is_said_in_words():
    plan = Training(Recipe((4,), weight_limit=(9, 8), carry=True), 4, 3, 40, (1, 5))
    checked = Checked(plain(certify(plan, Target(Widths.of(32), Overflow.WRAP))))
    assert checked.faults == []
    said = list(checked.assumptions())
    assert "weights before any step (fc1.load_weight, 4 x 4): any within -9..9" in said
    assert "biases before any step (fcLast.load_bias, 1 x 3): any within -8..8" in said
    assert "pixels (input.load, 20 x 4): any within 1..5" in said
    assert "targets (target, 20 x 3): 15 for the class that a row is of, any, 0 for all others" in said
    assert "inverse learning rate, negative (neg_lr_inv): -1000" in said
    assert "remainders of updates before any step (fc1.update.carry_zero, 4 x 4): any within -999..999" in said
    assert "feedback matrix as drawn (fc1.backward.load_feedback, 3 x 4): any within -221..221" in said
    assert len(said) == 4 + 1 + 1 + 1 + 4 + 1 + 1
