"""`pocketnn export` and `pocketnn verify-device`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from pocketnn.audit.device import figure_texts
from pocketnn.audit.verdict import Target
from pocketnn.check import check
from pocketnn.cli.options import (
    data_options,
    fail_on_option,
    fails,
    json_option,
    machine_options,
    overflow_of,
    progress_line,
    widths_of,
)
from pocketnn.cli.overflows import overflow_data, overflow_text
from pocketnn.cli.recipe import given_fields, recipe_options_but
from pocketnn.data import Dataset, load_dataset
from pocketnn.errors import UsageError
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
from pocketnn.prove import Certificate, Training, as_data, prove_inference
from pocketnn.prove.stored import as_stored
from pocketnn.prove.training import certify
from pocketnn.saved import Saved, load_saved
from pocketnn.trace import Trace

__all__ = ["export_command", "verify_device"]

_OF_INFERENCE = ("activation", "scale", "activation_div", "input_shift", "input_centre")
_CERTIFICATE = "certificate.json"


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; new, or empty.")
@data_options
@machine_options
@click.option("--train", is_flag=True, help="Export the training step, not inference alone.")
@recipe_options_but("hidden", "conv", "batch_norm")
@click.option("--golden", type=click.IntRange(1), default=10, show_default=True, help="Steps of the test program.")
@click.option("--plain-int", is_flag=True, help="Overflow by plain int, undefined in C, for a sanitizer. 32 bits only.")
@click.option(
    "--run",
    "targets",
    type=click.Choice(list(TARGETS)),
    multiple=True,
    help="Then build, run, compare, measure. Repeatable.",
)
@fail_on_option(
    "What of the recorded steps makes the exit code 1.  [default: any with --train; else none, for some images are "
    "made up to reach the registers' bounds]",
    None,
)
@json_option
def export_command(
    model: Path,
    out: Path,
    data: str,
    limit: int | None,
    train: bool,
    golden: int,
    plain_int: bool,
    targets: tuple[str, ...],
    fail_on: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the network of the weights MODEL as portable C99 for the machine asked for, with a test program.

    With --train the step is that of the recipe in MODEL: what is given here takes the place of what the recipe says.
    Weights that do not say how they were trained are taken as trained by the reference's recipe.

    It is generated from a recorded run; the folder's README.md says how to use it. Where it can be proved that no
    images can overflow it, the certificate is written beside it. With --run, results on the target are compared with
    the emulator's, and its size and how long a step takes are measured: in cycles, or in instructions where the
    simulator knows no cycles. `pocketnn audit --figures` shows what --json says of that.

    Exit codes: 0 written, and what ran is identical; 1 a result differs, or the program does not build or end, or (by
    --fail-on) a recorded step overflows; 2 bad usage or input, or a tool is missing; 4 the target's output was cut off.
    """
    dataset = load_dataset(data, limit)
    widths = widths_of(options.pop("word"), options.pop("accumulator"))
    machine = Machine(None, widths, overflow_of(options.pop("overflow")))
    saved = _as_given(load_saved(model, dataset), given_fields(options), train)
    target = Target(machine.widths, machine.overflow)
    certificate = _certificate(saved, dataset, target, train)
    fault = _unproved(certificate, saved)
    run = run_training if train else run_inference
    exported = export(
        machine,
        lambda m, steps: run(m, saved, dataset, steps),
        out,
        golden,
        plain_int,
        {} if fault else {_CERTIFICATE: as_stored(certificate)},
    )
    found = {
        **_data(exported, saved, shown(model), str(target), train),
        "proof": {"proved": not fault, "inputs": certificate.claim["inputs"], "fault": fault},
        "overflow": overflow_data(machine.ledger),
        "runs": [_run_on(out, target) for target in targets],
    }
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found, overflow_text(machine.ledger))))
    identical = all(run["verdict"]["identical"] for run in found["runs"])
    sys.exit(0 if identical and not fails(machine.ledger.flags, fail_on or ("any" if train else "none")) else 1)


def _as_given(saved: Saved, given: dict[str, Any], train: bool) -> Saved:
    """The network with what was given in place of what the weights say. Raises UsageError for what plays no part."""
    used = (*_OF_INFERENCE, *(["batch"] if saved.recipe.batch_norm else []))
    for name in given:
        if not train and name not in used:
            raise UsageError(f"--{name.replace('_', '-')} is of the training step; give --train too, or leave it out")
    return saved.changed(**given)


def _certificate(saved: Saved, dataset: Dataset, target: Target, train: bool) -> Certificate:
    """Of inference on any images; or of the training on any with pixels from 0 to the greatest of the data."""
    if not train:
        return prove_inference(saved, (0, 255), target)
    samples, inputs = len(dataset.train.labels), (0, dataset.greatest_pixel)
    return certify(Training(saved.recipe, dataset.pixels, dataset.classes, samples, inputs), target)


def _unproved(certificate: Certificate, saved: Saved) -> str:
    """Why a certificate proves nothing of the program that starts with these weights; empty if it is a proof."""
    for site in certificate.failing:
        return f"{site.site} can {'divide by zero' if site.fits else f'need {site.bits} bits'}"
    for invariant in certificate.invariants:
        if not invariant.holds:
            return f"{invariant.name} does not stay within the limits that it starts from"
    weights = {name: np.asarray(matrix).tolist() for name, matrix in saved.parameters.items()}
    return next(iter(check(as_data(certificate), weights)), "") if certificate.kind == "training" else ""


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


def _data(exported: Exported, saved: Saved, model: str, machine: str, train: bool) -> dict[str, Any]:
    layout = exported.source.layout
    return {
        "schema": "pocketnn-export/1",
        "folder": str(exported.folder),
        "model": model,
        "use": "training" if train else "inference",
        "recipe": asdict(saved.recipe),
        "recipe_in_model": saved.described,
        "machine": machine,
        "layers": list(saved.dims),
        "ops": len(exported.source.program.nodes),
        "flash_bytes": layout.flash,
        "ram_bytes": layout.ram,
        "golden_steps": len(exported.golden),
    }


def _lines(found: dict[str, Any], overflows: list[str]) -> Iterator[str]:
    yield (
        f"{found['folder']}: {found['ops']} ops a step, {found['flash_bytes']} bytes of constants, "
        f"{found['ram_bytes']} bytes of RAM, {found['golden_steps']} golden steps"
    )
    if found["use"] == "training" and not found["recipe_in_model"]:
        yield f"{found['model']} does not say how it was trained: the step is the reference's, with what was given"
    proof = found["proof"]
    about = f"images of pixels {proof['inputs'][0]}..{proof['inputs'][1]} on {found['machine']}"
    if proof["proved"]:
        yield f"PROVED: no {about} can overflow ({_CERTIFICATE})"
    else:
        yield f"not proved for {about}: {proof['fault']}"
    steps = "recorded steps" if found["use"] == "training" else "recorded steps, made-up images among them"
    yield f"{steps}: {overflows[0]}"
    yield from overflows[1:]
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
