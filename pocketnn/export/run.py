"""Building, running and measuring an exported program on its targets: this computer, and simulators of others."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pocketnn.errors import TargetError, UsageError

__all__ = ["TARGETS", "Counts", "Target", "count_steps", "run_target", "sizes"]

_COUNT = re.compile(r"pocketnn count (\d+) (\d+|-)")
_COUNTED = re.compile(r"pocketnn counted (\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a program can run. what: for people. tools: needed on PATH, with the Debian package of each. unit: of what
    its counter says, None if it has none; nanoseconds: what a tick of the counter takes, where it counts time and an
    instruction takes one of them."""

    what: str
    tools: Mapping[str, str]
    unit: str | None = None
    nanoseconds: Fraction = Fraction(1)

    @property
    def missing(self) -> list[str]:
        """Packages to install for the tools that are not there."""
        return [package for tool, package in self.tools.items() if shutil.which(tool) is None]


@dataclass(frozen=True, slots=True)
class Counts:
    """How long each golden step took, in order. unit: "cycles", or "instructions" where the simulator knows no cycles;
    within: what they may be off by, for the counter's ticks are as long."""

    unit: str
    steps: tuple[int, ...]
    within: int


_MPS2, _AN505, _MICROBIT = Fraction(40), Fraction(50), Fraction(125, 2)  # SysTick at 25, 20 and 16 MHz
_AVR = {"make": "make", "avr-gcc": "gcc-avr avr-libc", "simavr": "simavr"}
_ARM = {"make": "make", "arm-none-eabi-gcc": "gcc-arm-none-eabi", "qemu-system-arm": "qemu-system-arm"}
TARGETS: dict[str, Target] = {
    "host": Target("this computer", {"make": "make", "cc": "gcc"}),
    "witness": Target("this computer, counting overflows", {"make": "make", "cc": "gcc"}),
    "avr": Target("ATmega1284P in simavr", _AVR, "cycles"),
    "arm": Target("Cortex-M3 in QEMU (mps2-an385)", _ARM, "instructions", _MPS2),
    "m0": Target("Cortex-M0 in QEMU (microbit)", _ARM, "instructions", _MICROBIT),
    "m4": Target("Cortex-M4 in QEMU (mps2-an386)", _ARM, "instructions", _MPS2),
    "m7": Target("Cortex-M7 in QEMU (mps2-an500)", _ARM, "instructions", _MPS2),
    "m33": Target("Cortex-M33 in QEMU (mps2-an505)", _ARM, "instructions", _AN505),
    "riscv": Target(
        "RV32IMAC in QEMU (virt)",
        {
            "make": "make",
            "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
            "qemu-system-riscv32": "qemu-system-misc",
        },
        "instructions",
    ),
    "stm8": Target("STM8S208 in uCsim", {"make": "make", "sdcc": "sdcc", "sstm8": "sdcc-ucsim"}),
}


def run_target(folder: Path, target: str, timeout: float = 120, options: Mapping[str, str] | None = None) -> str:
    """Build the program in `folder` for a target, run it, and return its log.

    timeout: seconds for each of the two. options: make variables, such as {"OPT": "-O0"}. Raises UsageError, with the
    package to install, if a tool is missing; TargetError if it does not build, or does not end in time. What the log
    says, and whether it is whole, is for `read_log` and `verify_device` to judge.
    """
    chosen = _present(target)
    variables = [f"{name}={value}" for name, value in (options or {}).items()]
    make = ["make", "--silent", "--directory", str(folder), *variables]
    built = _run([*make, target], timeout, f"building for {chosen.what}")
    if built.returncode:
        raise TargetError(f"building for {chosen.what} failed: {_tail(built.stderr)}")
    # the simulators' exit codes mean nothing on four of five: the log's own end mark and line count decide
    return _run([*make, f"run-{target}"], timeout, f"running on {chosen.what}").stdout


def _present(target: str) -> Target:
    chosen = TARGETS[target]
    if chosen.missing:
        raise UsageError(f"no tools for {chosen.what}: apt-get install {' '.join(chosen.missing)}")
    return chosen


def count_steps(folder: Path, target: str, timeout: float = 120) -> Counts | None:
    """How long the golden steps of the program in `folder` take on a target, without any check of results.

    None where the target has no counter, or a step ran it over. Raises as `run_target` does, and TargetError for a log
    that is not whole.
    """
    chosen = _present(target)
    if chosen.unit is None:
        return None
    done = _run(
        ["make", "--silent", "--directory", str(folder), f"count-{target}"], timeout, f"counting on {chosen.what}"
    )
    found, end = _COUNT.findall(done.stdout), _COUNTED.search(done.stdout)
    numbers = [int(number) for number, _ in found]
    if end is None or numbers != list(range(1, int(end[1]) + 1)):
        raise TargetError(f"counting on {chosen.what} gave no whole log: {_tail(done.stderr + done.stdout)}")
    if any(count == "-" for _, count in found):
        return None
    steps = tuple(int(int(count) * chosen.nanoseconds) for _, count in found)
    return Counts(chosen.unit, steps, math.ceil(chosen.nanoseconds) if chosen.nanoseconds > 1 else 0)


def _run(command: list[str], timeout: float, what: str) -> subprocess.CompletedProcess[str]:
    """Run make in a process group of its own, so that a simulator that hangs ends with it."""
    with subprocess.Popen(
        ["timeout", "--kill-after=5", str(timeout), *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate()
        except BaseException:  # interrupted: `timeout` hands the signal on to its group
            process.terminate()
            process.wait()
            raise
    if process.returncode in (124, 137):
        raise TargetError(f"{what} did not end within {timeout:g} s; the last it said: {_tail(out)}")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _tail(text: str) -> str:
    return " ".join(text.split())[-500:] or "nothing"


def sizes(folder: Path, target: str, timeout: float = 120) -> dict[str, int]:
    """Bytes of the network alone on a target: text and data in flash, data and bss in RAM, as `size` counts them.

    Raises UsageError without tools; TargetError if it does not build.
    """
    name = "host" if target == "witness" else target
    _present(target)
    made = _run(["make", "--silent", "--directory", str(folder), f"size-{name}"], timeout, "size")
    if made.returncode:
        raise TargetError(f"no size for {TARGETS[target].what}: {_tail(made.stderr)}")
    text, data, bss = (int(x) for x in made.stdout.splitlines()[1].split()[:3])
    return {"text": text, "data": data, "bss": bss}
