"""What an exported network took on a target: size, and cycles or instructions of a step, as `pocketnn export` found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketnn.errors import DataError, UsageError

__all__ = [
    "Device",
    "check_same_network",
    "device_data",
    "device_lines",
    "device_rows",
    "figure_texts",
    "read_figures",
]

_SCHEMA = "pocketnn-export/1"
_LARGEST = 1 << 24  # bytes of a file of figures


@dataclass(frozen=True, slots=True)
class Device:
    """A program on a target. use: "inference" or "training". machine: the registers that it was exported for. steps:
    how many were compared with the emulator; identical: whether none differed. size: bytes by section. counts: unit,
    number per step and what that may be off by, None where the target has no counter."""

    target: str
    what: str
    model: str
    layers: tuple[int, ...]
    use: str
    machine: str
    steps: int
    identical: bool
    size: Mapping[str, int]
    counts: Mapping[str, Any] | None


def read_figures(path: Path) -> tuple[Device, ...]:
    """What a file says that `pocketnn export --run TARGET --json` wrote. Raises DataError if it is no such file."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); give what `pocketnn export --run TARGET --json` wrote") from error
    if not isinstance(found, dict) or found.get("schema") != _SCHEMA:
        raise DataError(f"{path}: no figures of a target; give what `pocketnn export --run TARGET --json` wrote")
    try:
        devices = tuple(_device(found, run) for run in found["runs"])
    except KeyError as error:
        raise DataError(f"{path}: {error} is missing; it is not as `pocketnn export` wrote it") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: {error}; it is not as `pocketnn export` wrote it") from error
    if not devices:
        raise DataError(f"{path}: the exported program ran on no target; export it with --run TARGET")
    return devices


def _device(found: Mapping[str, Any], run: Mapping[str, Any]) -> Device:
    counts, verdict = run["counts"], run["verdict"]
    return Device(
        _text(run["target"]),
        _text(run["what"]),
        _text(found["model"]),
        tuple(map(_number, found["layers"])),
        _text(found["use"]),
        _text(found["machine"]),
        _number(verdict["steps"]),
        verdict["identical"] is True,
        {name: _number(run["size"][name]) for name in ("text", "data", "bss")},
        None if counts is None else _counts(counts),
    )


def _counts(found: Mapping[str, Any]) -> dict[str, Any]:
    steps = [_number(count) for count in found["steps"]]
    if not steps:
        raise ValueError("counts of no step")
    return {"unit": _text(found["unit"]), "steps": steps, "within": _number(found["within"])}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} where a text belongs")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.40} where a whole number from 0 belongs")
    return value


def figure_texts(size: Mapping[str, int], counts: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Flash, RAM and the longest step in words."""
    flash, ram = size["text"] + size["data"], size["data"] + size["bss"]
    return f"{flash} B of flash", f"{ram} B of RAM", "no counter" if counts is None else _longest(counts)


def _longest(counts: Mapping[str, Any]) -> str:
    least, most = min(counts["steps"]), max(counts["steps"])
    spread = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    within = f" (+-{counts['within']})" if counts["within"] else ""
    return f"{spread}{within} {counts['unit']} a step"


def check_same_network(devices: Sequence[Device], dims: object) -> None:
    """Refuse figures of a network with other layers than the audited one's. dims: "64-16-10", None if unknown.

    Raises UsageError.
    """
    for device in devices:
        theirs = "-".join(map(str, device.layers))
        if dims is not None and theirs != dims:
            raise UsageError(f"figures of {device.model} are of a network {theirs}, audited is {dims}; export that one")


def device_rows(devices: Sequence[Device]) -> list[dict[str, str]]:
    """A row per target for a table: every cell as text."""
    rows = []
    for device in devices:
        flash, ram, steps = figure_texts(device.size, device.counts)
        same = "identical to the emulator" if device.identical else "DIFFERS from the emulator"
        rows.append(
            {
                "target": device.what,
                "program": f"{device.model}, {device.use}, {device.machine}",
                "verdict": f"{device.steps} steps {same}",
                "flash": flash,
                "ram": ram,
                "steps": steps,
            }
        )
    return rows


def device_lines(devices: Sequence[Device]) -> Iterator[str]:
    """Lines of text, two a target."""
    yield "on targets: code and data of the network alone, and the steps that were run there"
    for row in device_rows(devices):
        yield f"  {row['target']}: {row['flash']}, {row['ram']}, {row['steps']}"
        yield f"    {row['program']}; {row['verdict']}"


def device_data(device: Device) -> dict[str, Any]:
    """A target's figures as plain data."""
    return {name: getattr(device, name) for name in device.__dataclass_fields__} | {"layers": list(device.layers)}
