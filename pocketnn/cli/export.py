"""`pocketnn export` and `pocketnn verify-device`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pocketnn.activations import ACTIVATIONS
from pocketnn.audit.device import figure_texts
from pocketnn.cli.options import data_options, json_option, machine_options, overflow_of, progress_line, widths_of
from pocketnn.data import load_dataset
from pocketnn.export import (
    TARGETS,
    Exported,
    Verdict,
    count_steps,
    export,
    log_text,
    run_inference,
    run_target,
    run_training,
    sizes,
)
from pocketnn.export import verify_device as verify
from pocketnn.files import shown
from pocketnn.machine import Machine
from pocketnn.recipe import ALGORITHMS, Recipe
from pocketnn.saved import Saved, load_saved
from pocketnn.trace import Trace

__all__ = ["export_command", "verify_device"]

_RECIPE = Recipe()


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; new, or empty.")
@data_options
@click.option("--activation", type=click.Choice(list(ACTIVATIONS)), help="Default: what the weights say.")
@machine_options
@click.option("--train", is_flag=True, help="Export the training step, not inference alone.")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default=_RECIPE.algorithm, show_default=True, help="Of it.")
@click.option("--batch", type=click.IntRange(1), default=_RECIPE.batch, show_default=True, help="Rows of it.")
@click.option(
    "--lr-inv", type=click.IntRange(1), default=_RECIPE.lr_inv, show_default=True, help="Learning rate of it."
)
@click.option("--seed", type=click.IntRange(0), default=_RECIPE.seed, show_default=True, help="Of its samples' order.")
@click.option("--golden", type=click.IntRange(1), default=10, show_default=True, help="Steps of the test program.")
@click.option("--plain-int", is_flag=True, help="Overflow by plain int, undefined in C, for a sanitizer. 32 bits only.")
@click.option(
    "--run",
    "targets",
    type=click.Choice(list(TARGETS)),
    multiple=True,
    help="Then build, run, compare, measure. Repeatable.",
)
@json_option
def export_command(
    model: Path,
    out: Path,
    data: str,
    limit: int | None,
    activation: str | None,
    train: bool,
    golden: int,
    plain_int: bool,
    targets: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Write the network of the weights MODEL as portable C99 for the machine asked for, with a test program.

    It is generated from a recorded run; the folder's README.md says how to use it. With --run, results on the target
    are compared with the emulator's, and its size and how long a step takes are measured: in cycles, or in instructions
    where the simulator knows no cycles. `pocketnn audit --figures` shows what --json says of that.

    Exit codes: 0 written, and what ran is identical; 1 a result differs, or the program does not build or end; 2 bad
    usage or input, or a tool is missing; 4 the target's output was cut off.
    """
    dataset = load_dataset(data, limit)
    saved = load_saved(model, dataset, activation)
    widths = widths_of(options.pop("word"), options.pop("accumulator"))
    machine = Machine(None, widths, overflow_of(options.pop("overflow")))

    def run(m: Machine, steps: int) -> None:
        if train:
            run_training(m, saved, dataset, Recipe(**options), steps)
        else:
            run_inference(m, saved, dataset, steps)

    exported = export(machine, run, out, golden, plain_int)
    found = _data(exported, saved, shown(model), machine, "training" if train else "inference")
    found["runs"] = [_run_on(out, target) for target in targets]
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))
    sys.exit(0 if all(run["verdict"]["identical"] for run in found["runs"]) else 1)


def _run_on(folder: Path, target: str) -> dict[str, Any]:
    """What a target made of the program: verdict, sizes, counts."""
    log = run_target(folder, target)
    with Trace(folder / "golden.trace") as trace:
        verdict = verify(log, trace)
    counts = count_steps(folder, target)
    return {
        "target": target,
        "what": TARGETS[target].what,
        "verdict": _verdict_data(verdict),
        "size": sizes(folder, target),
        "counts": counts and {"unit": counts.unit, "steps": list(counts.steps), "within": counts.within},
    }


def _data(exported: Exported, saved: Saved, model: str, machine: Machine, use: str) -> dict[str, Any]:
    layout = exported.source.layout
    return {
        "schema": "pocketnn-export/1",
        "folder": str(exported.folder),
        "model": model,
        "use": use,
        "machine": f"{machine.widths} {machine.overflow.value}",
        "layers": list(saved.architecture.dims),
        "ops": len(exported.source.program.nodes),
        "flash_bytes": layout.flash,
        "ram_bytes": layout.ram,
        "golden_steps": len(exported.golden),
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{found['folder']}: {found['ops']} ops a step, {found['flash_bytes']} bytes of constants, "
        f"{found['ram_bytes']} bytes of RAM, {found['golden_steps']} golden steps"
    )
    for run in found["runs"]:
        yield f"{run['target']}: {_verdict_text(run['verdict'])}"
        yield "  " + ", ".join(figure_texts(run["size"], run["counts"]))


@click.command("verify-device")
@click.argument("log", type=click.Path(path_type=Path))
@click.argument("file", metavar="TRACE", type=click.Path(path_type=Path))
@json_option
def verify_device(log: Path, file: Path, as_json: bool) -> None:
    """Compare the LOG of an exported test program, from a simulator or a board's serial port, with a TRACE.

    Exit codes: 0 identical; 1 a result differs: the first step and site are named; 2 bad usage or input; 3, 5 as for
    replay; 4 the log was cut off or garbled.
    """
    text = log_text(log)
    with Trace(file) as trace:
        verdict = verify(text, trace, progress_line())
    found = {"schema": "pocketnn-verify-device/1", **_verdict_data(verdict)}
    click.echo(json.dumps(found) if as_json else _verdict_text(found))
    sys.exit(1 if verdict.first else 0)


def _verdict_text(verdict: dict[str, Any]) -> str:
    if verdict["identical"]:
        return f"{verdict['steps']} steps, {verdict['results']} results: identical"
    return f"DIFFERS: {verdict['first']['text']}"


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    first = verdict.first
    return {
        "steps": verdict.steps,
        "results": verdict.results,
        "identical": first is None,
        "first": None
        if first is None
        else {
            "text": str(first),
            "step": first.step,
            **first.moment._asdict(),
            "site": first.site,
            "op": first.op,
            "expected": first.expected,
            "found": first.found,
        },
    }
