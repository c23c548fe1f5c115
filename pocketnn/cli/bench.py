"""`pocketnn bench`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from pocketnn.bench import measure
from pocketnn.cli.accuracy import accuracy
from pocketnn.cli.options import (
    Sizes,
    data_options,
    json_option,
    machine_options,
    overflow_of,
    progress_line,
    widths_of,
)
from pocketnn.data import load_dataset
from pocketnn.machine import Widths
from pocketnn.overhead import overhead
from pocketnn.recipe import Recipe

__all__ = ["bench"]


@click.group(invoke_without_command=True)
@data_options
@click.option("--hidden", type=Sizes(), default="100,50", show_default=True, help="Sizes of the hidden layers.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True, help="Passes over the training images.")
@machine_options
@json_option
@click.pass_context
def bench(
    ctx: click.Context,
    data: str,
    limit: int | None,
    hidden: tuple[int, ...],
    epochs: int,
    word: Widths,
    accumulator: int | None,
    overflow: str,
    as_json: bool,
) -> None:
    """Time the emulation against the same network in plain int64 NumPy, in one session.

    Times differ between machines and moments; the ratios are what to compare. `--data mnist` is the real thing.
    With a COMMAND, measure that instead; the options before it count for the timing alone.
    """
    if ctx.invoked_subcommand:
        return
    dataset = load_dataset(data, limit)
    recipe = Recipe(hidden, epochs=epochs)
    machine = widths_of(word, accumulator), overflow_of(overflow)
    results = measure(dataset, recipe, *machine, progress_line())
    traced = overhead(data, limit, recipe, *machine)
    if as_json:
        click.echo(
            json.dumps(
                {"schema": "pocketnn-bench/1", "runs": [asdict(result) for result in results], "trace": asdict(traced)}
            )
        )
        return
    click.echo(f"{dataset.name}, {epochs} epochs with evaluation, word {word}, {overflow}")
    click.echo(f"{'':<34}{'seconds':>9}{'s/epoch':>9}{'G MAC/s':>9}{'times faster':>14}  same numbers")
    for result in results:
        click.echo(
            f"{result.name:<34}{result.seconds:9.2f}{result.seconds / result.epochs:9.2f}"
            f"{result.macs / result.seconds / 1e9:9.2f}{result.ratio:14.2f}  {'yes' if result.equal else 'no'}"
        )
    click.echo(
        "share of the emulation's time per op: "
        + ", ".join(f"{op} {share:.0%}" for op, share in results[1].shares.items())
    )
    click.echo(
        f"with a trace {traced.traced_seconds:.2f} s: {traced.ratio_ranged:.2f} times as long as with ranges alone "
        f"({traced.ranged_seconds:.2f} s), {traced.ratio:.2f} times as long as with neither "
        f"({traced.untraced_seconds:.2f} s); trace {traced.trace_bytes / 1e6:.1f} MB; "
        f"peak memory {traced.traced_peak / 1e6:.0f} MB, without {traced.untraced_peak / 1e6:.0f} MB"
    )


bench.add_command(accuracy)
