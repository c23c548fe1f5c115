"""`pocketnn bench accuracy`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import click

from pocketnn.accuracy import Reached, curve, mean_and_deviation, measure
from pocketnn.audit.text import compact
from pocketnn.cli.options import Sizes, json_option, machine_options, overflow_of, progress_line, widths_of
from pocketnn.data import load_dataset
from pocketnn.machine import Widths
from pocketnn.recipes import RECIPES

__all__ = ["accuracy"]


@click.command()
@click.option(
    "--recipe", "names", multiple=True, type=click.Choice(list(RECIPES)), help="A named recipe; more than once if so."
)
@click.option("--seeds", type=Sizes(), default="1,2,3,4,5", show_default=True, help="A run for each seed.")
@click.option("--data", metavar="NAME|DIR", help="Dataset, or its folder; default: what the recipe is for.")
@click.option("--limit", type=click.IntRange(1), help="Use only the first N training and the first N test images.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the images; default: what the recipe says.")
@click.option("--validation", is_flag=True, help="Judge on the last sixth of the training images, train on the rest.")
@machine_options
@json_option
def accuracy(
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    data: str | None,
    limit: int | None,
    epochs: int | None,
    validation: bool,
    word: Widths,
    accumulator: int | None,
    overflow: str,
    as_json: bool,
) -> None:
    """Train by named recipes, and say what they reach: the last epoch's accuracy, mean and deviation over the seeds.

    Beside each number: the width of the registers of that very run, and how many values overflowed in it; below it, the
    mean after some of the epochs (--json has every epoch of every run). To choose between recipes use --validation; the
    test images are for the result. All recipes with five seeds take hours.
    """
    widths, mode, line = widths_of(word, accumulator), overflow_of(overflow), progress_line()
    results: list[dict[str, Any]] = []
    if not as_json:
        click.echo(f"{'recipe':<20}{'data':<16}{'seeds':>6}{'last epoch':>18}{'epochs':>8}{'word':>6}  audit")
    for named in (RECIPES[name] for name in names or RECIPES):
        dataset = load_dataset(data or named.data, limit)
        dataset = dataset.held_out() if validation else dataset
        recipe = named.recipe if epochs is None else replace(named.recipe, epochs=epochs)
        runs = list(measure(dataset, [replace(recipe, seed=seed) for seed in seeds], widths, mode, line))
        mean, deviation = mean_and_deviation(runs)
        if as_json:
            result = {"name": named.name, "data": dataset.name, "recipe": asdict(recipe), "widths": str(widths)}
            results.append({**result, "mean": mean, "deviation": deviation, "runs": [asdict(run) for run in runs]})
        else:
            reached = f"{mean:.2f} +- {deviation:.2f} %" if len(runs) > 1 else f"{mean:.2f} %"
            click.echo(
                f"{named.name:<20}{dataset.name:<16}{len(runs):>6}{reached:>18}"
                f"{recipe.epochs:>8}{widths!s:>6}  {_verdict(runs)}"
            )
            click.echo(f"  after epoch {_waypoints(curve(runs))}")
    if as_json:
        judged = "validation" if validation else "test"
        click.echo(json.dumps({"schema": "pocketnn-accuracy/1", "judged_on": judged, "recipes": results}))


def _verdict(runs: Sequence[Reached]) -> str:
    """What overflowed in these runs."""
    events = sum(run.flags.events for run in runs)
    zeros = sum(run.flags.zero_divisions for run in runs)
    return f"{compact(events)} overflows, {compact(zeros)} divisions by zero" if events or zeros else "no overflow"


def _waypoints(means: Sequence[float]) -> str:
    """The mean after the first three epochs, every tenth, and the last."""
    last = len(means)
    return "  ".join(f"{i} {percent:.2f}" for i, percent in enumerate(means, 1) if i < 4 or i % 10 == 0 or i == last)
