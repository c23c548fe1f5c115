"""What an exported network took on a target: size, and cycles or instructions of a step, as `pocketnn export` found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketnn.errors import DataError, UsageError
from pocketnn.outside import COUNT, check_shape, read_json

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
_SIZES = ("text", "data", "bss")
_COUNTS = {"unit": str, "steps": [COUNT], "within": COUNT}
_RUN = {
    "target": str,
    "what": str,
    "verdict": {"steps": COUNT, "identical": bool},
    "size": dict.fromkeys(_SIZES, COUNT),
    "counts": (None, _COUNTS),
}
_SHAPE = {"model": str, "use": str, "machine": str, "layers": [COUNT], "runs": [_RUN]}


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
        found = read_json(path, _LARGEST)
        if not isinstance(found, dict) or found.get("schema") != _SCHEMA:
            raise DataError(f"{path}: no figures of a target")
        check_shape(found, _SHAPE, str(path))
    except DataError as error:
        raise DataError(f"{error}; give what `pocketnn export --run TARGET --json` wrote") from error
    if not found["runs"]:
        raise DataError(f"{path}: the exported program ran on no target; export it with --run TARGET")
    return tuple(_device(found, run, f"{path}: run {number}") for number, run in enumerate(found["runs"], start=1))


def _device(found: Mapping[str, Any], run: Mapping[str, Any], where: str) -> Device:
    counts, verdict = run["counts"], run["verdict"]
    if counts is not None and not counts["steps"]:
        raise DataError(f"{where}: counts of no step; export again what was not cut short")
    return Device(
        run["target"],
        run["what"],
        found["model"],
        tuple(found["layers"]),
        found["use"],
        found["machine"],
        verdict["steps"],
        verdict["identical"],
        {name: run["size"][name] for name in _SIZES},
        counts and {name: counts[name] for name in _COUNTS},
    )


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
