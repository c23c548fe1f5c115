"""`pocketnn audit`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from pocketnn.audit import Target, as_data, as_text, audit_training
from pocketnn.cli.options import (
    data_options,
    json_option,
    machine_options,
    overflow_of,
    progress_line,
    recipe_of,
    recipe_options,
    widths_of,
)
from pocketnn.data import load_dataset

__all__ = ["audit"]


@click.command()
@data_options
@recipe_options
@machine_options
@json_option
def audit(
    data: str,
    limit: int | None,
    word: int,
    accumulator: int | None,
    overflow: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Train and evaluate once exactly, then on 8-, 16- and 32-bit machines, and say where they overflow.

    Exit code 1 if the machine asked for (--word, --accumulator, --overflow) overflows or divides by zero, 0 if not.
    """
    dataset = load_dataset(data, limit)
    asked = Target(widths_of(word, accumulator), overflow_of(overflow))
    report = audit_training(dataset, recipe_of(options), asked, progress=progress_line())
    click.echo(json.dumps(as_data(report)) if as_json else "\n".join(as_text(report)))
    sys.exit(1 if report.asked.overflowed else 0)
