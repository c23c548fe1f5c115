"""Weights with the recipe that they were trained by."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from pocketnn.errors import DataError, UsageError
from pocketnn.init import Rand
from pocketnn.machine import Machine
from pocketnn.nn import Network
from pocketnn.recipe import Recipe
from pocketnn.recipes import RECIPES
from pocketnn.saved import read_saved, save
from pocketnn.train import Run, architecture_of
from pocketnn.weights import load_weights, save_weights

NORMED = Recipe((9,), "pocket_sigmoid", batch_norm=True, batch=7, input_shift=2)


def network(recipe):
    architecture = architecture_of(recipe, 16, 3)
    return Network(Machine(), architecture, architecture.drawn(Rand(1)))


@pytest.mark.parametrize("name", ["w.npz", "w"])
@pytest.mark.parametrize("recipe", [*(named.recipe for named in RECIPES.values()), NORMED], ids=[*RECIPES, "normed"])
def test_weights_come_back_with_all_of_their_recipe(tmp_path, recipe, name):
    made = network(recipe)
    save(tmp_path / name, Run((), 0, 123, 0, 0, made), recipe, "a certificate")
    saved = read_saved(tmp_path / name)
    assert (saved.recipe, saved.described, saved.samples) == (recipe, True, 123)
    assert saved.certificate == "a certificate"
    assert saved.architecture == made.architecture
    assert saved.dims == (16, *recipe.hidden, 3)
    assert saved.rows == (7 if recipe is NORMED else 500)
    for key, value in made.parameters().items():
        assert np.array_equal(saved.parameters[key], value)


def test_what_older_files_say_of_their_network(tmp_path):
    recipe = Recipe((9, 4))
    meta = {
        "activation": "pocket_sigmoid", "input_shift": 2, "input_centre": 5, "batch": 7, "scale": "300,200,90",
        "activation_div": "3,2",
    }  # fmt: skip
    save_weights(tmp_path / "w", network(recipe).parameters(), meta)
    saved = read_saved(tmp_path / "w")
    assert (saved.described, saved.samples) == (False, 0)
    assert saved.recipe == replace(
        recipe, activation="pocket_sigmoid", input_shift=2, input_centre=5, batch=7, scale=(300, 200, 90),
        activation_div=(3, 2),
    )  # fmt: skip
    assert read_saved(tmp_path / "w", "pocket_tanh").recipe.activation == "pocket_tanh"


def test_the_references_files_are_read_as_its_recipe(tmp_path):
    save_weights(tmp_path / "w", network(NORMED).parameters(), {})
    saved = read_saved(tmp_path / "w")
    assert (saved.recipe, saved.described) == (Recipe((9,), batch_norm=True), False)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"batch": True}, "batch is 'True': int belongs here"),
        ({"batch": "20"}, "batch is '20'"),
        ({"batch": (1 << 20) + 1}, "give at most 1048576"),
        ({"carry": 1}, "carry is '1': bool belongs here"),
        ({"lr_inv": [1, 2, 3, 4]}, "lr_inv has 4 numbers"),
        ({"lr_inv": [1, "2"]}, r"int \| tuple\[int, ...\] belongs here"),
        ({"lr_inv": [1, [2]]}, "lr_inv is"),
        ({"gain": 1.5}, "gain is '1.5'"),
        ({"gain": None}, "gain is 'None'"),
        ({"epochs": 10**12}, "epochs is 1000000000000: give at most 1048576"),
        ({"algorithm": "sgd"}, "algorithm 'sgd' does not exist"),
        ({"hidden": [8]}, "of another network"),
        ({"batch_norm": False}, "of another network"),
        ({"conv": [4]}, "conv is 4"),
        ({"momentum": 3}, "'momentum' is no field of a recipe"),
    ],
)
def test_recipes_in_files_that_make_no_sense(tmp_path, change, fault):
    path = tmp_path / "w.npz"
    save_weights(path, network(NORMED).parameters(), {"recipe": json.dumps({**asdict(NORMED), **change})})
    with pytest.raises(DataError, match=f"w.npz: .*{fault}"):
        read_saved(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "[" * 100_000, "1" * 5000, '{"batch": 1e400}'])
def test_descriptions_that_are_no_recipe(tmp_path, text):
    path = tmp_path / "w.npz"
    save_weights(path, network(NORMED).parameters(), {"recipe": text})
    with pytest.raises(DataError, match=r"w.npz: the description of the network"):
        read_saved(path)


def test_samples_that_make_no_sense(tmp_path):
    path = tmp_path / "w.npz"
    for samples in (-1, "many"):
        save_weights(path, network(NORMED).parameters(), {"samples": samples})
        with pytest.raises(DataError, match=f"samples is {samples!r}"):
            read_saved(path)


def test_data_of_a_recipe_may_leave_fields_out():
    assert Recipe.of_data({"batch": 7, "hidden": [3]}) == Recipe((3,), batch=7)
    with pytest.raises(UsageError, match="no field of a recipe"):
        Recipe.of_data({1: 2})


def test_a_file_says_nothing_twice(tmp_path):
    save(tmp_path / "w.npz", Run((), 0, 123, 0, 0, network(NORMED)), NORMED)
    assert set(load_weights(tmp_path / "w.npz")[1]) == {"recipe", "samples"}
