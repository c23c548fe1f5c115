"""`pocketnn trace`: what a trace is, whether it is whole, what is in it, how two differ."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from pocketnn.audit.replayed import Replayed
from pocketnn.cli.options import Sizes, StepRange, json_option, progress_line
from pocketnn.trace import Trace, verify
from pocketnn.trace.diff import difference
from pocketnn.trace.dump import event_data, event_line, events_of, scalar_data, scalar_line, scalars_of

__all__ = ["trace"]

INCOMPLETE = 4  # exit code: everything that is there is right, but the recording was cut off

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def trace() -> None:
    """Look into trace files.

    Exit codes: 0 all is well; 1 two traces differ; 2 bad usage, or no trace; 3 damaged or changed; 4 cut off; 5 written
    in a format or for an arithmetic that this release does not know.
    """


@trace.command()
@file_argument
@json_option
def info(file: Path, as_json: bool) -> None:
    """Say what FILE is: program, machine, steps, sites, size. Exit code 4 if the recording was cut off."""
    with Trace(file) as opened:
        subject = Replayed(opened).subject
        phases = Counter(step.moment.phase for step in opened.steps)
        found: dict[str, Any] = {
            "schema": "pocketnn-trace-info/1",
            "name": subject.name,
            "description": subject.description,
            "machine": f"{opened.widths} {opened.overflow.value}",
            "pocketnn": opened.header.get("pocketnn"),
            "status": opened.status,
            "steps": len(opened.steps),
            "events": opened.events,
            "phases": dict(phases),
            "sites": len({code.site for code in opened.codes.values()}),
            "level": "full" if opened.full else "digest",
            "bytes": file.stat().st_size,
        }
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{found['name']}: {found['description']}")
        click.echo(f"recorded on {found['machine']} by pocketnn {found['pocketnn']}, level {found['level']}")
        steps = ", ".join(f"{count} {phase}" for phase, count in phases.items())
        click.echo(f"{found['steps']} steps ({steps}), {found['events']} events at {found['sites']} sites")
        click.echo(f"{found['bytes']} bytes, {_ended(found['status'], found['steps'])}")
    _leave(found["status"])


def _ended(status: str | None, steps: int) -> str:
    return status or f"cut off after step {steps}"


def _leave(status: str | None) -> None:
    if status is None:
        click.get_current_context().exit(INCOMPLETE)


@trace.command("verify")
@file_argument
@json_option
def check(file: Path, as_json: bool) -> None:
    """Recompute the hash chain of FILE. Exit code 3 if anything was changed, 4 if the recording was cut off."""
    found = verify(file, progress_line())
    if as_json:
        data = {"schema": "pocketnn-trace-verify/1", "steps": found.steps, "events": found.events}
        click.echo(json.dumps({**data, "status": found.status, "chain": found.chain}))
    else:
        click.echo(f"{found.steps} steps, {found.events} events, {_ended(found.status, found.steps)}")
        click.echo(f"chain {found.chain}")
    _leave(found.status)


@trace.command()
@file_argument
@click.option("--steps", type=StepRange(), default=":", help="Only the steps A:B.")
@click.option("--scalar", type=click.IntRange(1), metavar="EVENT", help="Every register operation inside one event.")
@click.option("--element", type=Sizes(least=0), metavar="I,J", help="With --scalar: only this element of the result.")
@json_option
def dump(
    file: Path, steps: tuple[int, int | None], scalar: int | None, element: tuple[int, ...] | None, as_json: bool
) -> None:
    """Print a line per event, or with --scalar a line per register operation inside one event.

    With --json each line is a JSON object.
    """
    with Trace(file) as opened:
        if scalar:
            for operation in scalars_of(opened, scalar, element):
                click.echo(json.dumps(scalar_data(operation)) if as_json else scalar_line(operation))
        else:
            for event in events_of(opened, *steps):
                click.echo(json.dumps(event_data(event)) if as_json else event_line(event))


@trace.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@json_option
def diff(one: Path, other: Path, as_json: bool) -> None:
    """Print the first difference of two traces. Exit code 1 if there is one."""
    with Trace(one) as a, Trace(other) as b:
        found = difference(a, b, progress_line())
    if as_json:
        click.echo(json.dumps({"schema": "pocketnn-trace-diff/1", "same": not found, "first": found}))
    else:
        click.echo("\n".join(found) if found else "no difference")
    click.get_current_context().exit(1 if found else 0)
