"""`pocketnn replay`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pocketnn.arith import Overflow
from pocketnn.audit.data import flags_data, witness_data
from pocketnn.cli.options import json_option, other_machine_options, progress_line, widths_of
from pocketnn.cli.trace import exit_code
from pocketnn.machine import Widths
from pocketnn.trace import BACKENDS, Divergence, Replay, Trace, what_if
from pocketnn.trace import replay as replay_trace
from pocketnn.trace.overflows import Overflows, overflows

__all__ = ["replay"]


@click.command()
@click.argument("file", metavar="TRACE", type=click.Path(path_type=Path))
@click.option(
    "--backend", type=click.Choice(list(BACKENDS)), default="vector", show_default=True, help="What computes."
)
@click.option("--from-step", type=click.IntRange(1), default=1, show_default=True, help="First step to compare.")
@click.option("--to-step", type=click.IntRange(1), help="Last step to compare.")
@other_machine_options
@json_option
def replay(
    file: Path,
    backend: str,
    from_step: int,
    to_step: int | None,
    word: Widths | None,
    accumulator: int | None,
    overflow: str | None,
    as_json: bool,
) -> None:
    """Execute every op of TRACE again and compare ranges, flags and digests with what was recorded.

    With --word, --accumulator or --overflow: say what the run would have done on such a machine, and which value is the
    first to differ.

    Exit codes: 0 identical; 1 diverged; 2 bad usage, or no trace; 3 damaged or changed; 4 identical, but the recording
    is a part of a run (cut off, or recorded with --trace-steps); 5 a format or an arithmetic that this release does
    not know.
    """
    with Trace(file, progress_line()) as trace:
        elsewhere = word is not None or accumulator is not None or overflow is not None
        if elsewhere:
            widths = widths_of(word or trace.widths, accumulator)
            mode = Overflow(overflow) if overflow else trace.overflow
            found = what_if(trace, widths, mode, backend, from_step, to_step, progress_line())
            machine = f"{widths} {mode.value}"
        else:
            found = replay_trace(trace, backend, from_step, to_step, progress_line())
            machine = f"{trace.widths} {trace.overflow.value}"
        recorded = overflows(trace)
        about = {"of": len(trace.steps), "ranges": trace.holds.measured, "recorded_overflows": recorded.data()}
    if as_json:
        click.echo(json.dumps({**_data(found, machine, backend), **about}))
    else:
        click.echo("\n".join(_lines(found, recorded, machine, elsewhere)))
        if not (about["ranges"] or elsewhere):
            click.echo("the recording holds no ranges, so none were compared")
    sys.exit(1 if found.first else exit_code(found.part))


def _lines(found: Replay, recorded: Overflows, machine: str, elsewhere: bool) -> Iterator[str]:
    chosen = f"{found.steps}{f' of {recorded.steps}' if found.steps < recorded.steps else ''} steps"
    verdict = "DIVERGED" if found.first else "identical"
    held = f"; {found.part}" if found.part else ""
    yield f"{chosen}, {found.events} events on {machine}: {verdict}{held}"
    if found.first:
        yield f"first: {found.first}"
        yield f"{found.later} later events differ too"
    if elsewhere:
        flags = found.ledger.flags
        yield f"{flags.events} overflows in {flags.elements} elements, {flags.corrupted} corrupted"
        if found.ledger.first:
            yield f"first overflow: {found.ledger.first}"
    yield f"recorded overflows: {recorded}"


def _data(found: Replay, machine: str, backend: str) -> dict[str, Any]:
    return {
        "schema": "pocketnn-replay/1",
        "machine": machine,
        "backend": backend,
        "steps": found.steps,
        "events": found.events,
        "identical": found.first is None,
        "first": None if found.first is None else _first(found.first),
        "later": found.later,
        "status": found.status,
        "part": found.part,
        "flags": flags_data(found.ledger.flags),
        "first_overflow": witness_data(found.ledger.first),
    }


def _first(first: Divergence) -> dict[str, Any]:
    return {
        "event": first.event,
        "step": first.step.id,
        **first.step.moment._asdict(),
        "site": first.site,
        "op": first.op,
        "what": first.what,
        "element": first.element,
        "recorded": first.recorded,
        "replayed": first.replayed,
    }
