"""The recipe for small machines: 16-bit registers, or 8-bit storage with 16-bit sums, losses and constants."""

from dataclasses import replace

import numpy as np
import pytest

from pocketnn.arith import Role
from pocketnn.data import load_dataset
from pocketnn.dfa import Learner
from pocketnn.errors import OverflowTrap
from pocketnn.machine import Machine, Widths
from pocketnn.nn import Network, layer_names
from pocketnn.recipes import RECIPES
from pocketnn.train import Inputs, architecture_of, train

SMALL = Widths.parse("8+accumulator=16+loss=16+constant=16")
MACHINES = (Widths.parse("16"), SMALL)
WORD16, DIGITS = RECIPES["word16"].recipe, RECIPES["word16-digits"].recipe


@pytest.mark.parametrize("widths", MACHINES, ids=str)
def test_learns_digits_without_overflow_and_as_on_32_bits(widths):
    dataset, recipe = load_dataset("digits"), replace(DIGITS, epochs=4)
    machine, wide = Machine(widths=widths, trap=True), Machine()
    run, expected = train(machine, dataset, recipe), train(wide, dataset, recipe)
    assert run.epochs == expected.epochs
    assert run.test_correct > 0.9 * run.test_total
    assert not machine.ledger.overflowed
    for name, matrix in run.network.parameters().items():
        assert np.array_equal(matrix, expected.network.parameters()[name])


def worst(recipe, pixels, top, draw, widths):
    """Steps from parameters, images and feedback that `draw` takes from the ends of their ranges; traps overflow."""
    m = Machine(widths=widths, trap=True)
    architecture = architecture_of(recipe, pixels, 10)
    parameters = {}
    for name, rows, columns, limit in zip(
        layer_names(3), architecture.dims[:-1], architecture.dims[1:], recipe.per_layer("weight_limit"), strict=True
    ):
        parameters[f"{name}_weight"], parameters[f"{name}_bias"] = draw(limit, rows, columns), draw(limit, 1, columns)
    feedback = [
        draw(limit, 10, columns)
        for limit, columns in zip(recipe.per_layer("feedback_limit"), recipe.hidden, strict=True)
    ]
    network = Network(m, architecture, parameters)
    learner = Learner(m, network, recipe, feedback)
    learner.set_lr_inv(recipe.rates(1))
    feed, total = Inputs(m, recipe.input_shift), learner.loss.zero
    for _ in range(3):
        images = np.maximum(draw(top, recipe.batch, pixels), 0)
        classes = np.arange(10) == np.arange(recipe.batch)[:, None] % 10
        targets = m.load(np.where(classes, recipe.target_on, recipe.target_off), Role.CONSTANT, "target")
        total = learner.loss.accumulate(total, learner.step(feed(images), targets).loss)
    return network


def same(sign):
    return lambda limit, rows, columns: np.full((rows, columns), sign * limit)


def signs(seed):
    rng = np.random.default_rng(seed)
    return lambda limit, rows, columns: limit * rng.choice([-1, 1], (rows, columns))


@pytest.mark.parametrize("widths", MACHINES, ids=str)
@pytest.mark.parametrize(("recipe", "pixels", "top"), [(WORD16, 784, 255), (DIGITS, 64, 16)], ids=["mnist", "digits"])
def test_the_ends_of_all_ranges_overflow_nothing(recipe, pixels, top, widths):
    for draw in (same(1), same(-1), *map(signs, range(6))):
        network = worst(recipe, pixels, top, draw, widths)
        limits = recipe.per_layer("weight_limit")
        for layer, limit in zip(network.layers, limits, strict=True):
            assert np.abs(layer.weight.ints()).max() <= limit
            assert np.abs(layer.bias.ints()).max() <= limit


@pytest.mark.parametrize("limits", [(14, 46, 43), (13, 47, 43), (13, 46, 44)])
def test_with_any_weight_limit_one_higher_they_do(limits):
    with pytest.raises(OverflowTrap, match=r"forward\.(mac|add)"):
        worst(replace(WORD16, weight_limit=limits), 784, 255, same(1), MACHINES[0])


@pytest.mark.slow
@pytest.mark.parametrize("widths", MACHINES, ids=str)
def test_mnist_in_16_bits(datasets, widths):
    machine = Machine(widths=widths, trap=True)
    run = train(machine, load_dataset("mnist"), WORD16)
    assert run.test_correct == 9722
    assert not machine.ledger.overflowed
