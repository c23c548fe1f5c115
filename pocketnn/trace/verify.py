"""Verify: is every byte of a trace the one that was written, and where does the recording end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pocketnn.errors import CorruptError
from pocketnn.trace.overflows import Overflows, overflows
from pocketnn.trace.reader import Trace
from pocketnn.trace.seal import intact

__all__ = ["Verified", "verify"]


@dataclass(frozen=True, slots=True)
class Verified:
    """A trace whose chain is whole. status: how the run ended; None if it was cut off after `steps` steps.

    part: which part of its run it is, in words; None for the whole. chain: the last link in hex; two traces with the
    same one hold the same run. overflows: how many are recorded, and where the first is. sealed: whether the bytes that
    hold nothing could be checked as well.
    """

    steps: int
    events: int
    status: str | None
    part: str | None
    chain: str
    overflows: Overflows
    sealed: bool


def verify(path: Path, progress: Callable[[str, int, int], None] | None = None) -> Verified:
    """Open a trace, which recomputes its hash chain, and check the file itself: its structure, and its unused bytes.

    Raises CorruptError that names the first step at which the chain breaks, or says that the content is whole but other
    bytes were changed; and what Trace raises.
    """
    with Trace(path, progress) as trace:
        (answer,) = next(trace.rows("PRAGMA integrity_check(1)"))
        if answer != "ok":
            raise CorruptError(f"{path}: damaged: {answer}")
        good = intact(path) if trace.format > 1 else None
        if good is False:
            what = "bytes that hold nothing were changed" if trace.status else "its ending was taken away"
            raise CorruptError(f"{path}: not the file that was sealed: {what}; the chain over what it holds is whole")
        return Verified(
            len(trace.steps), trace.events, trace.status, trace.part, trace.holds.chain, overflows(trace), good is True
        )
