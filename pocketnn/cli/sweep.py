"""`pocketnn sweep`."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pocketnn.arith import Overflow
from pocketnn.audit.sections import share_right
from pocketnn.audit.text import compact
from pocketnn.cli.lists import WORDS, Numbers
from pocketnn.cli.options import data_options, json_option, progress_line
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.errors import UsageError
from pocketnn.files import check_writable
from pocketnn.sweep import SCHEMA, Plan, run_sweep

__all__ = ["sweep"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@data_options
@recipe_options
@click.option("--words", type=WORDS, default="8,16,32", show_default=True, help="Register widths, in bits.")
@click.option(
    "--overflows",
    default="wrap,saturate",
    show_default=True,
    metavar="MODE,MODE",
    help="What registers do on overflow.",
)
@click.option("--batches", type=Numbers(1), help="Rows a step; by default --batch alone.")
@click.option("--lr-invs", type=Numbers(1), help="Inverse learning rates; by default --lr-inv alone.")
@click.option("--seeds", type=Numbers(0), help="Seeds; by default --seed alone.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time; by default one per processor.")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler instead.")
@json_option
def sweep(
    results: Path,
    data: str,
    limit: int | None,
    words: tuple[int, ...],
    overflows: str,
    batches: tuple[int, ...] | None,
    lr_invs: tuple[int, ...] | None,
    seeds: tuple[int, ...] | None,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train on every machine and by every recipe asked for, in parallel, and print one table.

    RESULTS is a file of JSON lines, one a finished job. If it is there already, only what is missing is run: a sweep
    that was killed goes on where it was.
    """
    check_writable(results)
    recipe = recipe_of(options)
    modes = tuple(Overflow(mode).value for mode in _modes(overflows))
    plan = Plan(
        data,
        limit,
        recipe,
        words,
        modes,
        batches or (recipe.batch,),
        lr_invs or (recipe.lr_inv,),
        seeds or (recipe.seed,),
    )
    with _executor(jobs, dask) as executor:
        lines = run_sweep(plan, results, executor, progress_line())
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "results": lines}))
        return
    click.echo(
        f"{'batch':>5}{'lr_inv':>8}{'seed':>6}  {'machine':<12}{'test accuracy':>22}{'overflows':>10}{'wrong':>7}"
        "  first overflow"
    )
    for line in lines:
        click.echo(_row(line))


def _modes(text: str) -> list[str]:
    known = [mode.value for mode in Overflow]
    modes = [mode.strip() for mode in text.split(",")]
    for mode in modes:
        if mode not in known:
            raise UsageError(f"--overflows: {mode!r} does not exist; there are {' and '.join(known)}")
    return modes


def _row(line: dict[str, Any]) -> str:
    machine = f"{line['word']} {line['overflow']}" if line["word"] else "exact"
    flags, first = line["flags"], line["first_overflow"]
    bits = line["bits"] and max(line["bits"].values())
    place = first["site"] if first else f"needs {bits} bits" if bits else "none"
    rate = line["lr_inv"]
    rates = ",".join(map(str, rate)) if isinstance(rate, (list, tuple)) else rate
    return (
        f"{line['batch']:>5}{rates:>8}{line['seed']:>6}  {machine:<12}"
        f"{share_right(line['test_correct'], line['test_total']):>22}{compact(flags['events']):>10}"
        f"{compact(flags['corrupted']):>7}  {place}"
    )


@contextmanager
def _executor(jobs: int | None, dask: str | None) -> Iterator[Executor]:
    """Processes of this computer, or a Dask cluster's."""
    if dask is None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a loaded NumPy
        with ProcessPoolExecutor(jobs or os.cpu_count(), context) as executor:
            yield executor
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs the cluster's library: pip install 'pocketnn[cluster]'") from error
    try:
        client: Any = Client(dask, timeout="10s")  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise UsageError(f"--dask {dask}: no scheduler there ({error})") from error
    with client:
        yield client.get_executor()
