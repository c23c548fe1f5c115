"""`pocketnn prove`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pocketnn.audit import Target
from pocketnn.cli.options import data_options, json_option, machine_options, overflow_of, widths_of
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.data import load_dataset
from pocketnn.machine import Widths
from pocketnn.prove import Certificate, Training, as_data, as_text, prove_inference, prove_training
from pocketnn.saved import load_saved, read_saved

__all__ = ["prove"]


class PixelRange(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Pixels LO:HI, both included."""

    name = "LO:HI"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value[0], value[1]
        lo, _, hi = value.partition(":")
        try:
            bounds = int(lo), int(hi)
        except ValueError:
            self.fail(f"{value!r} is not a range like 0:255", param, ctx)
        if bounds[0] > bounds[1] or max(map(abs, bounds)) >> 40:
            self.fail(f"{value!r}: the first is not above the second, and 40 bits are enough", param, ctx)
        return bounds


@click.command()
@click.argument("weights", type=click.Path(path_type=Path), required=False)
@click.option("--training", is_flag=True, help="Of the network in WEIGHTS, prove the training instead of inference.")
@click.option("--inputs", type=PixelRange(), default="0:255", show_default=True, help="Pixels that can occur.")
@data_options
@recipe_options
@machine_options
@json_option
def prove(
    weights: Path | None,
    training: bool,
    inputs: tuple[int, int],
    data: str,
    limit: int | None,
    word: Widths,
    accumulator: int | None,
    overflow: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Prove that nothing can overflow: with WEIGHTS on any input, without in any training run of the recipe.

    The proof is about ranges, not about data: of --data only the number of pixels, classes and training images counts,
    and that only for a training.
    Exit code 0 if it is proved, 1 if not. `python -m pocketnn.check FILE` verifies what --json prints.
    """
    target = Target(widths_of(word, accumulator), overflow_of(overflow))
    certificate: Certificate
    if weights is None:
        dataset = load_dataset(data, limit)
        plan = Training(recipe_of(options), dataset.pixels, dataset.classes, len(dataset.train.labels), inputs)
        certificate = prove_training(plan, target)
    elif training:
        dataset = load_dataset(data, limit)
        saved = load_saved(weights, dataset)
        dims = saved.architecture.dims
        recipe = replace(
            recipe_of(options),
            hidden=dims[1:-1],
            activation=saved.architecture.activation,
            batch_norm=saved.architecture.batch_norm,
            input_shift=saved.recipe.input_shift,
            input_centre=saved.recipe.input_centre,
        )
        certificate = prove_training(Training(recipe, dims[0], dims[-1], len(dataset.train.labels), inputs), target)
    else:
        certificate = prove_inference(read_saved(weights), inputs, target)
    click.echo(json.dumps(as_data(certificate)) if as_json else "\n".join(as_text(certificate)))
    sys.exit(0 if certificate.proved else 1)
