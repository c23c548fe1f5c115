"""Options for recording a trace, and the recording itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pocketnn.audit import Evaluation, Source, Training
from pocketnn.audit.replayed import ABOUT, subject_to_text
from pocketnn.cli.options import StepRange, all_of
from pocketnn.errors import UsageError
from pocketnn.estimate import estimate, phases
from pocketnn.machine import Machine
from pocketnn.prove.stored import CERTIFICATE
from pocketnn.trace import record

__all__ = ["recording", "trace_options"]

trace_options = all_of(
    click.option("--trace", type=click.Path(path_type=Path), help="Record every op into this new file (SQLite)."),
    click.option(
        "--trace-level", type=click.Choice(["digest", "full"]), default="digest", show_default=True,
        help="Record digests of results, or the results too.",
    ),
    click.option("--trace-steps", type=StepRange(), default=":", help="Record only the steps A:B, from 1; the first is "
                 "the building of the network."),
)  # fmt: skip


_LONG = 5_000_000  # bytes from which on a trace's size is said before the run


@contextlib.contextmanager
def recording(machine: Machine, source: Source, options: dict[str, Any], certificate: str = "") -> Iterator[Machine]:
    """The machine to run `source` on: one that records if `trace_options` ask for it, else the same.

    certificate: of the training, for the trace's header, if there is one.

    How large a long recording will be is said on stderr first. Raises UsageError, before the run, if it has none of the
    steps asked for.
    """
    path, level, (first, last) = options["trace"], options["trace_level"], options["trace_steps"]
    if path is None:
        if (first, last) != (1, None):
            raise UsageError("--trace-steps says what to record, but not where; give --trace FILE too")
        yield machine
        return
    steps = len(phases(source))
    if first > steps:
        raise UsageError(
            f"--trace-steps {first}:{last or ''} has nothing to record; this run has the steps 1 to {steps}"
        )
    about = {ABOUT: subject_to_text(source.subject), **({CERTIFICATE: certificate} if certificate else {})}
    with record(machine, path, level == "full", first, last, about, of=steps) as recorded:
        if isinstance(source, Training | Evaluation):
            expected = estimate(source, machine, level == "full", first, last)
            if expected.size > _LONG:
                click.echo(f"trace: about {expected.events:,} events, {expected.size / 1e6:.0f} MB", err=True)
        yield recorded
