"""A folder with all that a firmware engineer needs: the network, golden steps, start-up code, Makefile, README."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pocketnn.errors import UsageError
from pocketnn.export.golden import GoldenStep, golden_header, golden_steps, log_lines
from pocketnn.export.repeated import FEWEST_STEPS, step_program
from pocketnn.export.source import Source, c_source
from pocketnn.machine import Machine
from pocketnn.trace import Program, Recorder, record

__all__ = ["Exported", "check_folder", "export"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. folder: where. source: the generated C. golden: the steps with what they must lead to."""

    folder: Path
    source: Source
    golden: list[GoldenStep]


def export(
    machine: Machine,
    run: Callable[[Machine, int], None],
    folder: Path,
    golden: int = 1,
    plain: bool = False,
    beside: Mapping[str, str] | None = None,
) -> Exported:
    """Record `run(m, steps)` on `machine`, and write the step that it repeats as C, all of the folder or nothing.

    run: builds a network on the machine it is given, and runs at least that many steps. golden: how many steps the test
    program repeats. plain: see `c_source`. beside: more texts for the folder, by name. The folder also holds
    golden.trace (the recorded run) and expected.log.
    Raises UsageError if the folder holds something already, or if the program does not repeat a step.
    """
    check_folder(folder)
    target = Path(os.path.realpath(folder))
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        new = temporary / "new"
        new.mkdir()
        program = Program()
        with (
            Recorder(machine.over(machine.backend.measuring()), program) as recorder,
            record(machine.over(recorder), new / "golden.trace") as m,
        ):
            run(m, max(golden, FEWEST_STEPS))
        source = c_source(step_program(program), plain)
        steps = golden_steps(program, source, golden)
        _write(new, {**(beside or {}), **_files(source, steps)})
        if target.exists():
            target.rmdir()
        os.rename(new, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Exported(folder, source, steps)


def check_folder(folder: Path) -> None:
    """Refuse, before a long run, a folder that cannot be written or that holds something. Raises UsageError."""
    parent = Path(os.path.realpath(folder)).parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"{folder}: the folder {parent} does not exist or cannot be written to; make it first")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder}: exists and is not an empty folder; name another, or remove it")


def _files(source: Source, steps: list[GoldenStep]) -> dict[str, str]:
    files = {**source.files, "golden.h": golden_header(source, steps)}
    files["expected.log"] = "".join(f"{line}\n" for line in log_lines(steps))
    for entry in (resources.files("pocketnn.export") / "firmware").iterdir():
        files[entry.name] = entry.read_text(encoding="utf-8")
    return files


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
