"""What evaluates saved weights, audits, proves or exports them runs the program that ships: nothing of the gradient."""

import numpy as np
import pytest

from pocketnn.activations import ACTIVATIONS
from pocketnn.arith import Overflow, Vector
from pocketnn.audit import Evaluation, Target, audit_source
from pocketnn.data import load_dataset
from pocketnn.export.model import run_inference
from pocketnn.export.repeated import step_program
from pocketnn.machine import Machine, Widths
from pocketnn.nn import Network
from pocketnn.prove import prove_inference
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved
from pocketnn.trace.recorder import Program, Recorder
from pocketnn.train import architecture_of, train

DIGITS = load_dataset("digits", 60)
TRAINED_ALONE = ("grad", "backward", "update", "loss", "feedback", "neg_lr_inv", "clamp_lo", "clamp_hi")


def saved(activation, batch_norm=False):
    recipe = Recipe((6,), activation, epochs=1, batch_norm=batch_norm, lr_inv=200)
    parameters = architecture_of(recipe, 64, 10).zeros()
    rng = np.random.default_rng(1)
    return Saved({name: rng.integers(-9, 10, np.shape(value)) for name, value in parameters.items()}, recipe)


def recorded(run):
    """The steps of a run: moments and their events."""
    program, m = Program(), Machine(Vector(measure=True))
    with Recorder(m, program) as recorder:
        run(m.over(recorder))
    return program


def sites(program):
    return {event.result.code.site for _, events in program.steps for event in events}


@pytest.mark.parametrize("batch_norm", [False, True], ids=["bias", "batchnorm"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_everybody_speaks_of_the_same_program(activation, batch_norm):
    network = saved(activation, batch_norm)
    program = recorded(lambda m: network.evaluate(m, DIGITS))
    assert not [site for site in sites(program) if any(word in site for word in TRAINED_ALONE)]
    exported = recorded(lambda m: run_inference(m, network, DIGITS, 3))
    assert sites(program) - {"labels"} == sites(exported)
    report = audit_source(Evaluation("w", network, DIGITS), [Target(Widths(16), Overflow.WRAP)], (16,))
    assert {site.site for site in report.sites} == sites(exported)
    proof = prove_inference(network, (0, 16), Target(Widths(32), Overflow.WRAP))
    assert {site.site for site in proof.sites} == sites(exported)
    # what ships: of the ops, all but those whose results nobody uses; of the constants, all that these ops use
    built = step_program(exported)
    shipped = {node.key[0] for node in built.nodes} | {handle.code.site for handle in built.constants.values()}
    unused = {f"{layer}.load_bias" for layer in ("fc1", "fcLast")} if batch_norm else set()
    assert sites(exported) - shipped == unused


@pytest.mark.parametrize("batch_norm", [False, True], ids=["bias", "batchnorm"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_test_passes_of_a_training_do_not_either(activation, batch_norm):
    recipe = Recipe((6,), activation, epochs=1, batch_norm=batch_norm, lr_inv=200)
    program = recorded(lambda m: train(m, DIGITS, recipe))
    phases = {}
    for moment, events in program.steps:
        phases.setdefault(moment.phase, set()).update(event.result.code.site for event in events)
    assert set(phases) == {"build", "train", "test", "final"}
    for phase in ("test", "final"):
        assert not [site for site in phases[phase] if any(word in site for word in TRAINED_ALONE)]
    assert any("backward" in site for site in phases["train"])


def test_an_untrained_network_of_convolutions_has_no_constants_of_the_gradient():
    architecture = architecture_of(Recipe(hidden=(), conv=(2,)), 64, 10)
    m = Machine()
    network = Network(m, architecture, architecture.zeros())
    network.forward(m.load(DIGITS.test.images[:2], "input"))
    assert not [site.name for site in m.ledger if any(word in site.name for word in TRAINED_ALONE)]
