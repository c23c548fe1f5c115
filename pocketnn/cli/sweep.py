"""`pocketnn sweep`."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pocketnn.arith import Overflow
from pocketnn.audit.text import compact
from pocketnn.audit.verdict import Verdict
from pocketnn.cli.lists import WORDS, Numbers
from pocketnn.cli.options import data_options, json_option, progress_line
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.errors import UsageError
from pocketnn.files import check_writable
from pocketnn.sweep import SCHEMA, Plan, run_sweep

__all__ = ["sweep"]

_SHOWN = (Verdict.CORRUPTED, Verdict.TRANSIENT, Verdict.ZERO_DIVISION)
_HEAD = (
    f"{'batch':>5}{'lr_inv':>7}{'seed':>5} {'machine':<11}{'accuracy':>9}{'changed':>8}{'C/T/Z':>8}{'trans.':>7}"
    f"{'wrong':>6} first overflow"
)
_LEGEND = """\
accuracy: on the test images. changed: test predictions unlike the exact run's. C/T/Z: sites that
are corrupted, transient, divided by zero. trans., wrong: results that overflowed and are exact
all the same, or wrong. first overflow: epoch:step, or phase, and site. =exact: every range of the
exact run fits this machine, so it was not run."""


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
    """Audit the training on every machine and by every recipe asked for, in parallel, and print one table.

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
    click.echo(_HEAD)
    for line in lines:
        click.echo(_row(line))
    click.echo(_LEGEND)


def _modes(text: str) -> list[str]:
    known = [mode.value for mode in Overflow]
    modes = [mode.strip() for mode in text.split(",")]
    for mode in modes:
        if mode not in known:
            raise UsageError(f"--overflows: {mode!r} does not exist; there are {' and '.join(known)}")
    return modes


def _row(line: dict[str, Any]) -> str:
    run, sites = line["run"], line["verdicts"]
    flags, scores, first = run["flags"], run["scores"], run["first_overflow"]
    machine = f"{line['word']} {line['overflow']}" if line["word"] else "exact"
    rate = line["lr_inv"]
    rates = ",".join(map(str, rate)) if isinstance(rate, (list, tuple)) else rate
    counts = "/".join(str(sites.get(verdict, 0)) for verdict in _SHOWN) if sites else "-"
    changed = "-" if run["changed_predictions"] is None or sites is None else run["changed_predictions"]
    return (
        f"{line['batch']:>5}{rates:>7}{line['seed']:>5} {machine:<11}"
        f"{100 * scores['test_correct'] / scores['test_total']:>7.2f} %{changed:>8}{counts:>8}"
        f"{compact(flags['transient']):>7}{compact(flags['corrupted']):>6} {_first(first, line)}"
    )


def _first(first: dict[str, Any] | None, line: dict[str, Any]) -> str:
    """When and where a run first overflowed; of an exact run, the bits that it needs."""
    if first:
        when = f"{first['epoch']}:{first['step']}" if first["epoch"] else first["phase"]
        return f"{when} {first['site']}"
    if line["bits"]:
        return f"needs {max(line['bits'].values())} bits"
    return "none" if line["run"]["emulated"] else "none: =exact"


def _end_with_parent() -> None:
    """Let this worker end when the process that started it does, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _executor(jobs: int | None, dask: str | None) -> Iterator[Executor]:
    """Processes of this computer, or a Dask cluster's."""
    with _processes(jobs) if dask is None else _cluster(dask) as executor:
        yield executor


class _Workers(ProcessPoolExecutor):
    """Processes that do not hear of ctrl-C: it is for the one that started them to end them."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start workers, if there are none yet; they inherit which signals are blocked. See Executor.submit."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(*args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _processes(jobs: int | None) -> Iterator[Executor]:
    """Processes of this computer, which end with this one, and at once when it is interrupted."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a loaded NumPy
    executor = _Workers(jobs or os.cpu_count(), context, _end_with_parent)
    try:
        yield executor
    except KeyboardInterrupt:
        # Its thread has to let go of cancelled jobs before it sees a worker die, or it trips over them. So that comes
        # first, and the executor is kept alive to the end: without it the thread would not do it.
        executor.shutdown(wait=False, cancel_futures=True)
        atexit.register(executor.shutdown)
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    except BaseException:
        executor.shutdown()
        raise
    executor.shutdown()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs the cluster's library: pip install 'pocketnn[cluster]'") from error
    try:
        client: Any = Client(address, timeout="10s")  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise UsageError(f"--dask {address}: no scheduler there ({error})") from error
    with client:
        yield client.get_executor()
