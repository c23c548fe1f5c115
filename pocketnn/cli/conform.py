"""`pocketnn conform`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from pocketnn.cli.options import json_option
from pocketnn.conform import CaseResult
from pocketnn.conform import conform as run_cases
from pocketnn.errors import DataError
from pocketnn.vectors import FileResult, check_file

__all__ = ["conform"]


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def conform(files: tuple[Path, ...], as_json: bool) -> None:
    """Recompute FILEs of vectors on every backend and name the first number that differs.

    A FILE is the reference implementation's numbers (JSON), or test vectors of single ops (.vec, text, described in
    traces/vectors/README.md), or a folder with .vec files in it. Exit code 0 if all are equal, 1 if any differs.
    """
    cases: list[tuple[Path, CaseResult]] = []
    vectors: list[FileResult] = []
    for file in _spread(files):
        if file.suffix == ".vec":
            vectors += check_file(file)
        else:
            cases += [(file, result) for result in run_cases(file)]
    differing = sum(result.difference is not None for _, result in cases) + sum(r.differing for r in vectors)
    if as_json:
        found = {
            "cases": [{"file": str(file), **asdict(result)} for file, result in cases],
            "vectors": [asdict(result) for result in vectors],
        }
        click.echo(json.dumps({"schema": "pocketnn-conform/1", "equal": not differing, **found}))
    else:
        _print(cases, vectors, differing)
    sys.exit(1 if differing else 0)


def _spread(files: tuple[Path, ...]) -> list[Path]:
    """The files, and those of folders in order of their names. Raises DataError for a folder without any."""
    found: list[Path] = []
    for file in files:
        inside = sorted(file.glob("*.vec")) if file.is_dir() else [file]
        if not inside:
            raise DataError(f"{file}: no .vec files in this folder")
        found += inside
    return found


def _print(cases: list[tuple[Path, CaseResult]], vectors: list[FileResult], differing: int) -> None:
    for file, result in cases:
        verdict = f"{result.numbers:6d} numbers equal" if result.difference is None else f"DIFFERS {result.difference}"
        before = f"{file}: " if len({file for file, _ in cases}) > 1 else ""
        click.echo(f"{before}case {result.index:3d} {result.name:<34} {result.backend:<10} {verdict}")
    for r in vectors:
        more = f" (the first of {r.differing} cases)" if r.differing > 1 else ""
        verdict = f"{r.cases:6d} cases equal" if r.difference is None else f"DIFFERS {r.difference}{more}"
        click.echo(f"{r.file:<34} {r.backend:<15} {verdict}")
    count = len({(file, result.index) for file, result in cases}) + sum({r.file: r.cases for r in vectors}.values())
    backends = list(dict.fromkeys([*(result.backend for _, result in cases), *(r.backend for r in vectors)]))
    on = " and ".join([", ".join(backends[:-1]), backends[-1]] if len(backends) > 1 else backends)
    click.echo(f"{count} cases: {f'{differing} results differ' if differing else f'all equal on {on}'}")
