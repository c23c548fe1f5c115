"""Options for recording a trace, and the recording itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pocketnn.audit import Subject
from pocketnn.audit.replayed import ABOUT, subject_to_text
from pocketnn.cli.options import StepRange, all_of
from pocketnn.machine import Machine
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


@contextlib.contextmanager
def recording(machine: Machine, subject: Subject, options: dict[str, Any]) -> Iterator[Machine]:
    """The machine to run on: one that records if `trace_options` ask for it, else the same."""
    path, level, (first, last) = options["trace"], options["trace_level"], options["trace_steps"]
    if path is None:
        yield machine
        return
    with record(machine, path, level == "full", first, last, {ABOUT: subject_to_text(subject)}) as recorded:
        yield recorded
