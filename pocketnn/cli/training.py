"""`pocketnn train` and `pocketnn eval`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pocketnn.activations import ACTIVATIONS
from pocketnn.audit import Evaluation, Target, Training
from pocketnn.cli.options import (
    WidthsText,
    data_options,
    json_option,
    machine_options,
    overflow_of,
    progress_line,
    widths_of,
)
from pocketnn.cli.overflows import overflow_data, overflow_text
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.cli.recording import recording, trace_options
from pocketnn.data import Dataset, load_dataset
from pocketnn.errors import UsageError
from pocketnn.files import shown
from pocketnn.machine import Ledger, Machine, Widths
from pocketnn.prove import Training as Proving
from pocketnn.prove.search import FREE, Choice, choose
from pocketnn.prove.stored import as_stored
from pocketnn.recipe import Recipe
from pocketnn.saved import load_saved
from pocketnn.saved import save as save_network
from pocketnn.train import Run
from pocketnn.train import train as train_network
from pocketnn.weights import check_target

__all__ = ["evaluate", "train"]

trap_option = click.option("--trap", is_flag=True, help="Stop at the first overflow, exit code 1.")


@click.command()
@data_options
@recipe_options
@machine_options
@trap_option
@trace_options
@click.option(
    "--prove",
    type=WidthsText(),
    help="Train on this width, with what is not given chosen so that no images and no seed can overflow it.",
)
@click.option("--save", type=click.Path(path_type=Path), help="Save the weights: FILE.npz, or a folder of CSV files.")
@json_option
@click.pass_context
def train(
    context: click.Context,
    /,
    data: str,
    limit: int | None,
    word: Widths,
    accumulator: int | None,
    overflow: str,
    trap: bool,
    prove: Widths | None,
    save: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on an emulated machine.

    Prints per epoch the loss register, the correct predictions while training and those on the test images, then what
    overflowed. An overflow does not change the exit code (see `pocketnn audit`) unless --trap is given.

    --prove WIDTH chooses --weight-limit, --input-shift, --batch and --loss-limit where they are not given (with smaller
    pixels or batches also --lr-inv and --scale), for pixels up to the greatest of the data, and stores the certificate
    in the model (--save) and in the trace, for `pocketnn audit`. Batch normalisation and --conv have no proof.
    """
    recipe = recipe_of(options)
    if save:
        check_target(save)
        if recipe.conv:
            raise UsageError("conv: the weights of convolution layers cannot be saved yet; leave out --save or --conv")
    dataset = load_dataset(data, limit)
    widths = widths_of(word, accumulator)
    choice = None
    if prove:
        given = context.get_parameter_source("word") is ParameterSource.COMMANDLINE
        if accumulator or (given and word != prove):
            raise UsageError(f"--prove {prove} is the width to train on; leave --word and --accumulator out")
        widths = prove
        choice = _chosen(recipe, dataset, Target(widths, overflow_of(overflow)), options)
        recipe = choice.training.recipe
    machine = Machine(None, widths, overflow_of(overflow), trap)
    certificate = as_stored(choice.certificate) if choice else ""
    with recording(machine, Training(dataset, recipe), options, certificate) as m:
        run = train_network(m, dataset, recipe, progress_line())
    try:  # neither of the two is lost if the other cannot be written
        if as_json:
            click.echo(json.dumps({**_train_data(run, machine.ledger), "proof": _proof_data(choice)}))
        else:
            click.echo("\n".join([*_proof_text(choice), _train_text(run, machine.ledger)]))
    finally:
        if save:
            save_network(save, run, recipe, certificate)


def _chosen(recipe: Recipe, dataset: Dataset, target: Target, options: dict[str, Any]) -> Choice:
    """The recipe with what was not given chosen so that it is proved for pixels from 0 to the greatest of the data."""
    free = [name for name in FREE if options[name] is None]
    plan = Proving(recipe, dataset.pixels, dataset.classes, len(dataset.train.labels), (0, dataset.greatest_pixel))
    return choose(plan, target, free, progress_line())


def _proof_data(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    certificate = choice.certificate
    return {
        "proved": certificate.proved, "machine": str(certificate.target), "inputs": choice.training.inputs,
        "samples": choice.training.samples, "chosen": choice.changed,
    }  # fmt: skip


def _proof_text(choice: Choice | None) -> list[str]:
    if choice is None:
        return []
    lo, hi = choice.training.inputs
    images = f"{choice.training.samples} training images an epoch, of pixels {lo}..{hi}"
    lines = [f"PROVED: on {choice.certificate.target} nothing can overflow, whatever the seed and the {images}"]
    options = (
        f"--{name.replace('_', '-')} {','.join(map(str, n)) if isinstance(n, tuple) else n}"
        for name, n in choice.changed.items()
    )
    return [*lines, f"chosen for that: {' '.join(options) or 'nothing'}", ""]


def _train_data(run: Run, ledger: Ledger) -> dict[str, Any]:
    return {
        "schema": "pocketnn-train/2",
        "epochs": [{field: getattr(epoch, field) for field in epoch.__dataclass_fields__} for epoch in run.epochs],
        "final_train_correct": run.final_train_correct,
        "train_total": run.train_total,
        "overflow": overflow_data(ledger),
    }


def _train_text(run: Run, ledger: Ledger) -> str:
    lines = ["epoch    loss sum     train correct      test correct"]
    lines += [
        f"{e.epoch:5d} {e.loss_sum:11d} {_share(e.train_correct, e.train_total)} {_share(e.test_correct, e.test_total)}"
        for e in run.epochs
    ]
    lines.append(f"after it {_share(run.final_train_correct, run.train_total):>26} (training images, final weights)")
    return "\n".join([*lines, *overflow_text(ledger)])


def _share(correct: int, total: int) -> str:
    return f"{f'{correct}/{total}':>17}"


@click.command("eval")
@click.argument("weights", type=click.Path(path_type=Path))
@data_options
@click.option(
    "--activation", type=click.Choice(list(ACTIVATIONS)), help="Default: what the weights say, else pocket_tanh."
)
@machine_options
@trap_option
@trace_options
@json_option
def evaluate(
    weights: Path,
    data: str,
    limit: int | None,
    activation: str | None,
    word: Widths,
    accumulator: int | None,
    overflow: str,
    trap: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Count correct predictions of saved WEIGHTS (.npz, or a folder of CSV files) on the test images."""
    dataset = load_dataset(data, limit)
    saved = load_saved(weights, dataset, activation)
    machine = Machine(None, widths_of(word, accumulator), overflow_of(overflow), trap)
    with recording(machine, Evaluation(shown(weights), saved, dataset), options) as m:
        correct = saved.evaluate(m, dataset, progress_line())
    total = len(dataset.test.labels)
    if as_json:
        overflows = overflow_data(machine.ledger)
        result = {"schema": "pocketnn-eval/2", "test_correct": correct, "test_total": total, "overflow": overflows}
        click.echo(json.dumps(result))
    else:
        click.echo("\n".join([f"{correct} of {total}", *overflow_text(machine.ledger)]))
