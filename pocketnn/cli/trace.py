"""`pocketnn trace`: what a trace is, whether it is whole, what is in it, how two differ."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from pocketnn.audit.replayed import Replayed
from pocketnn.cli.options import Sizes, StepRange, json_option, progress_line
from pocketnn.errors import UsageError
from pocketnn.trace import Trace, verify
from pocketnn.trace.diff import difference
from pocketnn.trace.dump import event_data, event_line, events_of, scalar_data, scalar_line, scalars_of
from pocketnn.trace.overflows import overflows

__all__ = ["exit_code", "trace"]

INCOMPLETE = 4  # exit code: everything that is there is right, but it is a part

_NOT_SEALED = "not sealed: the chain is whole, but bytes that hold nothing cannot be checked"

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def trace() -> None:
    """Look into trace files.

    Exit codes: 0 all is well; 1 two traces differ; 2 bad usage, or no trace; 3 damaged or changed; 4 all is well, but
    it is a part of a run (cut off, or recorded with --trace-steps); 5 written in a format or for an arithmetic that
    this release does not know.
    """


def exit_code(*parts: str | None) -> int:
    """Of a command that found nothing wrong in recordings of these parts of their runs."""
    return INCOMPLETE if any(parts) else 0


@trace.command()
@file_argument
@json_option
def info(file: Path, as_json: bool) -> None:
    """Say what FILE is: program, machine, steps, sites, size. Exit code 4 if it is a part of a run."""
    with Trace(file, progress_line()) as opened:
        subject = Replayed(opened).subject
        phases = Counter(step.moment.phase for step in opened.steps)
        found: dict[str, Any] = {
            "schema": "pocketnn-trace-info/1",
            "name": subject.name,
            "description": subject.description,
            "machine": f"{opened.widths} {opened.overflow.value}",
            "pocketnn": opened.header.get("pocketnn"),
            "status": opened.status,
            "part": opened.part,
            "steps": len(opened.steps),
            "events": opened.events,
            "phases": dict(phases),
            "sites": len({code.key for code in opened.codes.values()}),
            "level": "full" if opened.full else "digest",
            "ranges": opened.holds.measured,
            "chain": opened.holds.chain,
            "bytes": file.stat().st_size,
        }
        recorded = overflows(opened)
    if as_json:
        click.echo(json.dumps({**found, "overflows": recorded.data()}))
    else:
        click.echo(f"{found['name']}: {found['description']}")
        click.echo(f"recorded on {found['machine']} by pocketnn {found['pocketnn']}, level {found['level']}")
        steps = ", ".join(f"{count} {phase}" for phase, count in phases.items())
        click.echo(f"{found['steps']} steps ({steps}), {found['events']} events at {found['sites']} sites")
        click.echo(f"recorded overflows: {recorded}")
        click.echo(f"{found['bytes']} bytes, the chain is whole, {found['part'] or found['status']}")
    click.get_current_context().exit(exit_code(found["part"]))


@trace.command("verify")
@file_argument
@json_option
def check(file: Path, as_json: bool) -> None:
    """Recompute the hash chain of FILE, and check the bytes that hold nothing.

    Exit code 3 if anything was changed; 4 if it is a part of a run, or was never sealed, so that bytes that hold
    nothing cannot be checked.
    """
    found = verify(file, progress_line())
    if as_json:
        data = {"schema": "pocketnn-trace-verify/1", "steps": found.steps, "events": found.events}
        data |= {"status": found.status, "part": found.part, "overflows": found.overflows.data()}
        click.echo(json.dumps({**data, "sealed": found.sealed, "chain": found.chain}))
    else:
        click.echo(f"{found.steps} steps, {found.events} events, {found.part or found.status}")
        click.echo(f"recorded overflows: {found.overflows}")
        click.echo("sealed: every byte is the one that was written" if found.sealed else _NOT_SEALED)
        click.echo(f"chain {found.chain}")
    click.get_current_context().exit(exit_code(found.part, None if found.sealed else _NOT_SEALED))


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

    With --json each line is a JSON object. If FILE is a part of a run, stderr says so and the exit code is 4.
    """
    if element is not None and scalar is None:
        raise UsageError("--element is of one event's result: give --scalar EVENT too")
    if scalar is not None and steps != (1, None):
        raise UsageError("--scalar EVENT says which event: leave --steps out")
    with Trace(file, progress_line()) as opened:
        if scalar:
            for operation in scalars_of(opened, scalar, element):
                click.echo(json.dumps(scalar_data(operation)) if as_json else scalar_line(operation))
        else:
            for event in events_of(opened, *steps):
                click.echo(json.dumps(event_data(event)) if as_json else event_line(event))
        if opened.part:
            click.echo(f"{file}: {opened.part}", err=True)
        click.get_current_context().exit(exit_code(opened.part))


@trace.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@json_option
def diff(one: Path, other: Path, as_json: bool) -> None:
    """Print the first difference of two traces. Exit code 1 if there is one, 4 if there is none in parts of runs."""
    telling = progress_line()
    with Trace(one, telling) as a, Trace(other, telling) as b:
        found = difference(a, b, telling)
        parts = {str(file): opened.part for file, opened in ((one, a), (other, b)) if opened.part}
    if as_json:
        data = {"schema": "pocketnn-trace-diff/1", "same": not found, "first": found, "parts": parts}
        click.echo(json.dumps(data))
    else:
        held = [f"{file}: {part}" for file, part in parts.items()]
        click.echo("\n".join([*(found or [f"no difference{' in what is there' if held else ''}"]), *held]))
    click.get_current_context().exit(1 if found else exit_code(*parts.values()))
