"""`pocketnn data list` and `pocketnn data fetch`."""

from __future__ import annotations

import json
from typing import Any

import click

from pocketnn.cli.options import json_option, progress_line
from pocketnn.data import KNOWN, MIRRORS, load_dataset, places
from pocketnn.data import fetch as fetch_dataset
from pocketnn.errors import DataError

__all__ = ["data"]


@click.group()
def data() -> None:
    """Find and fetch datasets."""


@data.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show which datasets were found, and every place that was looked at."""
    result: list[dict[str, Any]] = []
    for name in KNOWN:
        looked = [
            {"folder": str(p.folder), "found": p.complete, "missing": list(p.missing) if p.folder.is_dir() else None}
            for p in places(name)
        ]
        entry: dict[str, Any] = {"name": name, "places": looked, "used": None, "error": None}
        if any(place["found"] for place in looked):
            try:
                dataset = load_dataset(name)
            except DataError as error:
                entry["error"] = str(error)
            else:
                entry["used"] = {
                    "folder": dataset.source,
                    "train": len(dataset.train.labels),
                    "test": len(dataset.test.labels),
                    "pixels": dataset.pixels,
                    "classes": dataset.classes,
                }
        result.append(entry)
    if as_json:
        click.echo(json.dumps({"schema": "pocketnn-data/1", "datasets": result}))
        return
    for entry in result:
        click.echo("\n".join(_lines(entry)))


def _lines(entry: dict[str, Any]) -> list[str]:
    used = entry["used"]
    if used:
        lines = [
            f"{entry['name']}: {used['train']} training and {used['test']} test images of {used['pixels']} pixels, "
            f"{used['classes']} classes"
        ]
    else:
        lines = [f"{entry['name']}: " + (entry["error"] or f"not found; 'pocketnn data fetch {entry['name']}' gets it")]
    for place in entry["places"]:
        if place["found"]:
            state = "found, used" if used and place["folder"] == used["folder"] else "found"
        else:
            state = "not there" if place["missing"] is None else f"missing {', '.join(place['missing'])}"
        lines.append(f"  {place['folder']}: {state}")
    return lines


@data.command()
@click.argument("name", type=click.Choice(list(MIRRORS)))
@click.option("--mirror", multiple=True, metavar="URL", help="Where to get it instead of the official mirrors.")
def fetch(name: str, mirror: tuple[str, ...]) -> None:
    """Download a dataset into the user's cache and check its SHA-256."""
    folder = fetch_dataset(name, mirror or None, progress=progress_line())
    click.echo(f"{name} is in {folder}")
