"""Recipes: what they accept, what they say of themselves, and the named ones."""

import json
import re
from dataclasses import fields, replace

import click
import pytest
from click.testing import CliRunner

from pocketnn.cli import main
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.errors import UsageError
from pocketnn.recipe import Recipe
from pocketnn.recipes import RECIPES
from pocketnn.train import architecture_of


@pytest.mark.parametrize(("field", "value"), [
    ("epochs", -1), ("batch", 0), ("lr_inv", 0), ("lr_inv", (1, 0, 1)), ("input_shift", -1), ("input_shift", 49),
    ("jitter", -1),
    ("input_centre", -1), ("algorithm", "sgd"), ("schedule", "cosine"), ("init", (5, 0, 5)), ("gain", 0),
    ("error_div", (1, 0)), ("weight_limit", (9, 9, 0)), ("lr_doubling", 0), ("target_on", 0), ("target_on", 1 << 15),
    ("target_off", -(1 << 15) - 1), ("carry_div", -1), ("error_limit", -1), ("feedback_limit", (1, 0)), ("scale", 0),
    ("activation_div", (0, 1)), ("loss_div", 0), ("loss_limit", -1),
])  # fmt: skip
def test_recipes_that_make_no_sense(field, value):
    wrong = min(value) if isinstance(value, tuple) else value
    with pytest.raises(UsageError, match=f"{field}.*{wrong}"):
        Recipe(**{field: value})


@pytest.mark.parametrize(
    ("field", "layers"),
    [("lr_inv", 3), ("init", 3), ("weight_limit", 3), ("scale", 3), ("error_div", 2), ("feedback_limit", 2),
     ("activation_div", 2)],
)  # fmt: skip
def test_a_number_per_layer_means_every_layer(field, layers):
    assert Recipe(**{field: 5}).per_layer(field) == (5,) * layers
    numbers = tuple(range(1, layers + 1))
    assert Recipe(**{field: numbers}).per_layer(field) == numbers
    for wrong in ((*numbers, 1), numbers[1:] * 2 + (1,) * 3):
        with pytest.raises(UsageError, match=f"{field} has {len(wrong)} numbers.*or {layers}"):
            Recipe(**{field: wrong})


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"batch_norm": True}, "batch_norm"), ({"lr_inv": (1000, 127, 1000)},
      "carry_div is 128.*lr_inv")],
)  # fmt: skip
def test_carry_div_needs_what_it_divides(fields, words):
    with pytest.raises(UsageError, match=words):
        Recipe(carry_div=128, **fields)


@pytest.mark.parametrize("fields", [{"algorithm": "bp"}, {"batch_norm": True}, {"activation_div": (1, 2, 2)}])
def test_convolution_layers_do_not_know_everything(fields):
    with pytest.raises(UsageError, match=r"conv is 4.*dfa"):
        Recipe(conv=(4,), **fields)


def test_convolution_layers_count_as_hidden_ones():
    recipe = Recipe((9, 8), conv=(3, 4), lr_inv=(1, 2, 3, 4, 5), error_div=(1, 2, 3, 4))
    assert (recipe.per_layer("lr_inv"), recipe.per_layer("error_div")) == ((1, 2, 3, 4, 5), (1, 2, 3, 4))
    with pytest.raises(UsageError, match=r"init has 3 numbers.*or 5"):
        replace(recipe, init=(1, 2, 3))


@pytest.mark.parametrize(("pixels", "filters", "words"), [
    (35, (2,), "square images, and 35"), (25, (2,), "one layer too many.*25.*5 x 5 is too small"),
    (100, (3, 4), "conv is 3,4: one layer too many.*3 x 3 is too small"),
])  # fmt: skip
def test_convolution_layers_need_room(pixels, filters, words):
    with pytest.raises(UsageError, match=words):
        architecture_of(Recipe(conv=filters), pixels, 10)


CONV = ["--conv", "2", "--epochs", "1", "--limit", "60"]


@pytest.mark.parametrize(
    "command", [["train", *CONV, "--save", "w.npz"], ["prove", *CONV], ["train", *CONV, "--prove", "32"]]
)
def test_what_convolution_layers_cannot_do_yet_is_said_before_the_run(command):
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("pocketnn: conv: ")
    assert result.stderr.count("\n") == 1


def test_convolution_layers_are_audited_and_recorded(tmp_path):
    trace = str(tmp_path / "run.pnt")
    report = CliRunner().invoke(main, ["audit", *CONV, "--words", "16", "--word", "32", "--trace", trace])
    assert report.exit_code == 0, report.output
    for site in ("conv1.forward.mac", "conv1.backward.route", "conv1.update.clamp"):
        assert any(line.startswith(site) for line in report.stdout.splitlines())
    replayed = CliRunner().invoke(main, ["replay", trace])
    assert replayed.exit_code == 0, replayed.output


def test_rates_double_as_in_the_reference():
    recipe = Recipe(lr_inv=1000)
    assert [recipe.rates(epoch) for epoch in (1, 9, 10, 19, 20, 30)] == [
        (1000,), (1000,), (2000,), (2000,), (4000,), (8000,),
    ]  # fmt: skip


def test_rates_of_the_linear_schedule_end_at_an_epochth():
    recipe = Recipe(lr_inv=(1000, 7, 90), schedule="linear", epochs=4)
    assert [recipe.rates(epoch) for epoch in (1, 2, 3, 4)] == [
        (1000, 7, 90), (1333, 9, 120), (2000, 14, 180), (4000, 28, 360),
    ]  # fmt: skip
    assert Recipe(schedule="linear", epochs=0).rates(1) == (1000,)


def test_differing_is_what_it_takes_to_make_it_again():
    for recipe in (Recipe(), Recipe((5,), carry=True, error_div=(3,)), *(named.recipe for named in RECIPES.values())):
        assert Recipe(**recipe.differing()) == recipe
        assert all(recipe.differing()[name] != getattr(Recipe(), name) for name in recipe.differing())


def test_every_named_recipe_says_what_it_reaches():
    for name, named in RECIPES.items():
        assert named.name == name
        assert named.words
        assert re.match(r"\d\d\.\d\d \+- \d\.\d\d % .* seeds 1 |not measured", named.reaches)


def shown(*args):
    result = CliRunner().invoke(main, ["recipes", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_printed_options_make_the_same_recipe(name):
    seen = {}
    command = click.command()(recipe_options(lambda **options: seen.update(options)))
    printed = " ".join(line for line in shown(name).splitlines() if line.startswith("  --")).split()
    command.main(printed, standalone_mode=False)
    assert recipe_of(seen) == RECIPES[name].recipe
    command.main(["--recipe", name, "--seed", "3", "--epochs", "1", "--no-carry"], standalone_mode=False)
    assert recipe_of(seen) == replace(RECIPES[name].recipe, seed=3, epochs=1, carry=False)


def test_recipes_as_json():
    data = json.loads(shown("--json"))
    assert [entry["name"] for entry in data["recipes"]] == list(RECIPES)
    for entry in data["recipes"]:
        assert set(entry["recipe"]) == {field.name for field in fields(Recipe)}
