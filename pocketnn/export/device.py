"""A device's log against a trace: the first step and site whose digest differs."""

from __future__ import annotations

import codecs
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pocketnn.arith import Vector
from pocketnn.errors import DataError, IncompleteError
from pocketnn.export.golden import crc_of, name_of
from pocketnn.export.graph import keyed
from pocketnn.machine import Machine
from pocketnn.outside import read_within
from pocketnn.trace import Moment, Player, Trace

__all__ = ["Mismatch", "Verdict", "log_text", "read_log", "verify_device"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SITE = re.compile(r"pocketnn (\d{1,18}) ([^\s=]+) ([0-9a-f]{8})\b", re.ASCII)  # no device writes longer numbers
_STEP = re.compile(r"pocketnn (\d{1,18}) = ([0-9a-f]{8})\b", re.ASCII)
_END = re.compile(r"pocketnn end (\d{1,18})\b", re.ASCII)

_LARGEST = 1 << 28  # bytes of a log

Log = list[dict[str, int]]
"""Digests by the name of their site, a step after the other."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first result that is not the emulator's. step: counted from 1, as in the log."""

    step: int
    moment: Moment
    site: str
    op: str
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"step {self.step}: {self.site} ({self.op}) [{self.moment.phase}, epoch {self.moment.epoch}, "
            f"step {self.moment.step}]: digest {self.found:08x} on the device, {self.expected:08x} in the trace"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found. steps, results: how many were compared; first: None if all are identical."""

    steps: int
    results: int
    first: Mismatch | None


def log_text(path: Path) -> str:
    """The text of a log: UTF-16 where a byte order mark says so, else UTF-8; what is neither is replaced.

    Raises DataError if it cannot be read or is longer than any log.
    """
    content = read_within(path, _LARGEST)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8", errors="replace")


def read_log(text: str) -> Log:
    """The digests in a device's output; lines that are not the test program's are passed over.

    Raises IncompleteError unless the log is whole: every line there once, in order, and the end mark with their number.
    """
    steps: Log = [{}]
    lines = 0
    for line in _COLOURS.sub("", text).splitlines():
        if found := _SITE.search(line):
            lines += 1
            if int(found[1]) != len(steps) or found[2] in steps[-1]:
                raise IncompleteError(
                    f"line {lines} of the log ({found[0][:80]!r}) does not follow on step {len(steps)}"
                )
            steps[-1][found[2]] = int(found[3], 16)
        elif found := _STEP.search(line):
            lines += 1
            digests = steps[-1].values()
            crc = zlib.crc32(struct.pack(f"<{len(digests)}I", *digests))
            if int(found[1]) != len(steps) or int(found[2], 16) != crc or steps[-1].keys() != steps[0].keys():
                raise IncompleteError(
                    f"step {len(steps)} of the log is garbled: its digests do not add up to {found[2]}"
                )
            steps.append({})
        elif found := _END.search(line):
            if int(found[1]) != lines or steps[-1] or lines == 0:
                raise IncompleteError(f"the log has {lines} lines where the device wrote {found[1]}; record it again")
            return steps[:-1]
    raise IncompleteError(
        f"the log breaks off after {lines} lines, without the end mark; the device crashed or was cut off"
    )


def verify_device(log: str, trace: Trace, progress: Callable[[str, int, int], None] | None = None) -> Verdict:
    """Run the trace's steps after the build again, and compare the digests that the device printed for them.

    Raises IncompleteError if the log is not whole, DataError if the trace has no such steps or sites.
    """
    steps = read_log(log)
    player = Player(trace, Machine(Vector(), trace.widths, trace.overflow))
    numbered = 0
    for step in trace.steps:
        events = player.run(step)
        if step.moment.phase == "build":
            continue
        expected = {name_of(key): event for key, event in keyed(events).items()}
        for name, digest in steps[numbered].items():
            if name not in expected:
                raise DataError(f"the log speaks of {name!r:.80}, which is not in step {step.id} of {trace.path}")
            known = crc_of(expected[name])
            if known != digest:
                op = expected[name].result.code.op.name
                return _verdict(steps[: numbered + 1], Mismatch(numbered + 1, step.moment, name, op, known, digest))
        numbered += 1
        if progress:
            progress("verify", numbered, len(steps))
        if numbered == len(steps):
            return _verdict(steps, None)
    raise DataError(f"the log has {len(steps)} steps, {trace.path} only {numbered}; give the trace that was exported")


def _verdict(steps: Iterable[dict[str, int]], first: Mismatch | None) -> Verdict:
    sizes = [len(step) for step in steps]
    return Verdict(len(sizes), sum(sizes), first)
