"""Building and running an exported program on its targets: this computer, and simulators of microcontrollers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pocketnn.errors import TargetError, UsageError

__all__ = ["TARGETS", "Target", "run_target", "sizes"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a program can run. tools: needed on PATH, with the Debian package of each. what: for people."""

    what: str
    tools: Mapping[str, str]

    @property
    def missing(self) -> list[str]:
        """Packages to install for the tools that are not there."""
        return [package for tool, package in self.tools.items() if shutil.which(tool) is None]


_ARM = {"make": "make", "arm-none-eabi-gcc": "gcc-arm-none-eabi", "qemu-system-arm": "qemu-system-arm"}
TARGETS: dict[str, Target] = {
    "host": Target("this computer", {"make": "make", "cc": "gcc"}),
    "witness": Target("this computer, counting overflows", {"make": "make", "cc": "gcc"}),
    "avr": Target("ATmega1284P in simavr", {"make": "make", "avr-gcc": "gcc-avr avr-libc", "simavr": "simavr"}),
    "arm": Target("Cortex-M3 in QEMU (mps2-an385)", _ARM),
    "m0": Target("Cortex-M0 in QEMU (microbit)", _ARM),
    "m4": Target("Cortex-M4 in QEMU (mps2-an386)", _ARM),
    "m7": Target("Cortex-M7 in QEMU (mps2-an500)", _ARM),
    "riscv": Target(
        "RV32IMAC in QEMU (virt)",
        {
            "make": "make",
            "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
            "qemu-system-riscv32": "qemu-system-misc",
        },
    ),
}


def run_target(folder: Path, target: str, timeout: float = 120, options: Mapping[str, str] | None = None) -> str:
    """Build the program in `folder` for a target, run it, and return its log.

    timeout: seconds for each of the two. options: make variables, such as {"OPT": "-O0"}. Raises UsageError, with the
    package to install, if a tool is missing; TargetError if it does not build, or does not end in time. What the log
    says, and whether it is whole, is for `read_log` and `verify_device` to judge.
    """
    chosen = TARGETS[target]
    if chosen.missing:
        raise UsageError(f"no tools for {chosen.what}: apt-get install {' '.join(chosen.missing)}")
    variables = [f"{name}={value}" for name, value in (options or {}).items()]
    make = ["make", "--silent", "--directory", str(folder), *variables]
    built = _run([*make, target], timeout, f"building for {chosen.what}")
    if built.returncode:
        raise TargetError(f"building for {chosen.what} failed: {_tail(built.stderr)}")
    # the simulators' exit codes mean nothing on four of five: the log's own end mark and line count decide
    return _run([*make, f"run-{target}"], timeout, f"running on {chosen.what}").stdout


def _run(command: list[str], timeout: float, what: str) -> subprocess.CompletedProcess[str]:
    """Run make in a process group of its own, so that a simulator that hangs ends with it."""
    process = subprocess.Popen(
        ["timeout", "--kill-after=5", str(timeout), *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    out, err = process.communicate()
    if process.returncode in (124, 137):
        raise TargetError(f"{what} did not end within {timeout:g} s; the last it said: {_tail(out)}")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _tail(text: str) -> str:
    return " ".join(text.split())[-500:] or "nothing"


def sizes(folder: Path, target: str, timeout: float = 120) -> dict[str, int]:
    """Bytes of the network alone on a target: text and data in flash, data and bss in RAM, as `size` counts them.

    The other Cortex-M cores count as Cortex-M3. Raises UsageError without tools; TargetError if it does not build.
    """
    name = {"m0": "arm", "m4": "arm", "m7": "arm", "witness": "host"}.get(target, target)
    if TARGETS[target].missing:
        raise UsageError(f"no tools for {TARGETS[target].what}: apt-get install {' '.join(TARGETS[target].missing)}")
    made = _run(["make", "--silent", "--directory", str(folder), f"size-{name}"], timeout, "size")
    if made.returncode:
        raise TargetError(f"no size for {TARGETS[target].what}: {_tail(made.stderr)}")
    text, data, bss = (int(x) for x in made.stdout.splitlines()[1].split()[:3])
    return {"text": text, "data": data, "bss": bss}
