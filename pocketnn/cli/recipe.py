"""The options that make up a recipe, on top of a named one; and `pocketnn recipes`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import click

from pocketnn.activations import ACTIVATIONS
from pocketnn.cli.options import Decorator, Sizes, all_of, json_option
from pocketnn.recipe import ALGORITHMS, SCHEDULES, Recipe
from pocketnn.recipes import RECIPES, Named

__all__ = ["given_fields", "recipe_of", "recipe_options", "recipe_options_but", "recipes"]


_QUICK = Recipe(epochs=5)  # what the commands do when no recipe is named: short enough to try things out
_COUNT, _NATURAL, _NUMBERS = click.IntRange(1), click.IntRange(0), Sizes()

# what is given on the command line, by field of Recipe: its type (None for a switch), and its help
_FIELDS: dict[str, tuple[Any, str]] = {
    "hidden": (_NUMBERS, "Sizes of the hidden layers."),
    "conv": (_NUMBERS, "Filters, 5 x 5, of each convolution layer, with 2 x 2 max pooling, before the hidden ones."),
    "activation": (click.Choice(list(ACTIVATIONS)), "Activation of every layer."),
    "algorithm": (click.Choice(ALGORITHMS), "Direct Feedback Alignment or back-propagation."),
    "batch_norm": (None, "Batch normalisation in place of the bias."),
    "epochs": (_NATURAL, "Passes over the images."),
    "batch": (_COUNT, "Rows a step."),
    "lr_inv": (_NUMBERS, "Inverse learning rate; one, or one a layer."),
    "schedule": (click.Choice(SCHEDULES), "How the learning rate falls: halved now and then, or a bit each epoch."),
    "lr_doubling": (_COUNT, "In schedule doubling, the inverse learning rate doubles every N epochs."),
    "seed": (_NATURAL, "Of glibc's rand()."),
    "init": (_NUMBERS, "Draw initial weights from -N..N; one, or one a layer."),
    "carry": (None, "Add the remainder of an update's division to the next gradient."),
    "target_on": (int, "Target of the true class."),
    "target_off": (int, "Target of the other classes."),
    "one_sided": (None, "An output beyond its target is no error."),
    "gain": (_COUNT, "Multiply the loss delta before it goes back."),
    "error_div": (_NUMBERS, "Divide the error that reaches a hidden layer; one, or one each."),
    "weight_limit": (_NUMBERS, "Clamp weights and biases to -N..N; one, or one a layer."),
    "carry_div": (_NATURAL, "Divide by lr-inv in two steps, the last by N: --carry keeps its remainder alone."),
    "error_limit": (_NATURAL, "Clamp the loss delta and the hidden layers' errors to -N..N; 0 for no clamp."),
    "feedback_limit": (_NUMBERS, "Draw feedback matrices from -N..N; one, or one a hidden layer."),
    "scale": (_NUMBERS, "Divide sums by this before the activation; one, or one a layer."),
    "activation_div": (_NUMBERS, "Divide a hidden layer's activations for the next layer; one, or one each."),
    "loss_div": (_COUNT, "Divide the loss delta by N before it is squared for the loss."),
    "loss_limit": (_NATURAL, "Stop the register of the epoch's loss at N; 0 for no stop."),
    "input_shift": (_NATURAL, "Divide pixels by 2^N first, as an op of the program."),
    "jitter": (_NATURAL, "Shift each training batch by up to N pixels, drawn for each."),
    "input_centre": (_NATURAL, "Subtract N from the pixels, as an op of the program."),
}


def _shown(value: object) -> str:
    """A field's value as it is given on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _default(field: str) -> str:
    shown = _shown(getattr(_QUICK, field))
    return f"  [default: {shown or ('none' if field == 'conv' else 'as the reference does')}]"


def _option(field: str, default: str) -> Any:
    kind, text = _FIELDS[field]
    name = field.replace("_", "-")
    if kind is None:
        return click.option(f"--{name}/--no-{name}", field, default=None, help=text)
    return click.option(f"--{name}", field, type=kind, help=f"{text}{default}")


recipe_options = all_of(
    click.option(
        "--recipe", type=click.Choice(list(RECIPES)), help="Start from a named recipe (`pocketnn recipes` shows them)."
    ),
    *(_option(field, _default(field)) for field in _FIELDS),
)


def recipe_options_but(*left_out: str) -> Decorator:
    """The options that stand in place of what a file's own recipe says, without some fields."""
    return all_of(*(_option(field, "") for field in _FIELDS if field not in left_out))


def recipe_of(options: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_options` describe: the named one with what was given in its place."""
    base = RECIPES[options["recipe"]].recipe if options["recipe"] else _QUICK
    return replace(base, **given_fields(options))


def given_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe that were given on the command line."""
    given = {field: options[field] for field in _FIELDS if options.get(field) is not None}
    for field in ("lr_inv", "init", "error_div", "weight_limit"):
        if len(given.get(field, ())) == 1:
            (given[field],) = given[field]
    return given


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(RECIPES)))
@json_option
def recipes(names: tuple[str, ...], as_json: bool) -> None:
    """Print the named recipes: what each is, what it reaches, and where it departs from the reference's defaults."""
    chosen = [RECIPES[name] for name in names or RECIPES]
    if as_json:
        result = [{**asdict(named), "recipe": asdict(named.recipe)} for named in chosen]
        click.echo(json.dumps({"schema": "pocketnn-recipes/1", "recipes": result}))
        return
    click.echo("\n\n".join(map(_text, chosen)))


def _text(named: Named) -> str:
    shown = {**named.recipe.differing(), "hidden": named.recipe.hidden, "epochs": named.recipe.epochs}
    lines = [f"{named.name}: {named.words}", f"  on {named.data}: {named.reaches}"]
    for field in _FIELDS:
        if field in shown:
            value = shown[field]
            lines.append(f"  --{field.replace('_', '-')}" + ("" if value is True else f" {_shown(value)}"))
    return "\n".join(lines)
