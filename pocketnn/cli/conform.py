"""`pocketnn conform`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from pocketnn.cli.options import json_option
from pocketnn.conform import conform as run_cases

__all__ = ["conform"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def conform(file: Path, as_json: bool) -> None:
    """Recompute every case of a FILE of reference vectors on the Reference and on the Vector backend.

    Names the first number that differs in each case. Exit code 0 if all are equal, 1 if any differs.
    """
    results = list(run_cases(file))
    bad = [result for result in results if result.difference]
    if as_json:
        cases = [asdict(result) for result in results]
        click.echo(json.dumps({"schema": "pocketnn-conform/1", "equal": not bad, "cases": cases}))
        sys.exit(1 if bad else 0)
    for result in results:
        verdict = f"{result.numbers:6d} numbers equal" if result.difference is None else f"DIFFERS {result.difference}"
        click.echo(f"case {result.index:3d} {result.name:<34} {result.backend:<10} {verdict}")
    count = len({result.index for result in results})
    click.echo(f"{count} cases: {f'{len(bad)} results differ' if bad else 'all equal on reference and vector'}")
    sys.exit(1 if bad else 0)
