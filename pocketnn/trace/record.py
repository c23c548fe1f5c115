"""Recording a run into a trace file: `with record(machine, path) as m:`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pocketnn import __version__
from pocketnn.arith import SEMANTICS, op_table_digest
from pocketnn.errors import RecordingError, UsageError
from pocketnn.machine import Machine
from pocketnn.trace.part import Window
from pocketnn.trace.recorder import Recorder
from pocketnn.trace.writer import Writer

__all__ = ["record"]


@contextlib.contextmanager
def record(
    machine: Machine,
    path: Path | str,
    full: bool = False,
    first: int = 1,
    last: int | None = None,
    about: Mapping[str, str] | None = None,
    of: int | None = None,
) -> Iterator[Machine]:
    """A machine like `machine` whose every op goes into the trace file `path`, with its exact range.

    full: store results too, not only their digests. first, last: which steps to record, from 1; the build before the
    first step counts as 1. about: more for the header, texts by name. of: how many steps the run has, where that is
    known: a recording that breaks off then says what of. The file says how the run ended: "complete", "interrupted"
    (ctrl-C) or "failed" (any other exception), and how many steps it had; one that was killed says nothing. Raises
    UsageError if the file exists, RecordingError if it cannot be written.
    """
    if not isinstance(machine, Machine):
        raise UsageError(f"record: machine is {machine!r}; the machine comes first, then the file")
    header = _header(machine, Window(first, last, of))
    if taken := header.keys() & (about or {}).keys():
        raise UsageError(
            f"about: {', '.join(sorted(taken))} is what pocketnn itself says in the header; name it otherwise"
        )
    writer = Writer(Path(path), {**(about or {}), **header}, full)
    recorder = Recorder(machine.over(machine.backend.measuring()), writer, first, last)
    try:
        with recorder:
            yield machine.over(recorder)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(RecordingError):  # what ended the run is what the user is told
            recorder.settle()  # which may be what was interrupted
        with contextlib.suppress(RecordingError):
            writer.close(status, recorder.steps)
        raise
    writer.close("complete", recorder.steps)


def _header(machine: Machine, window: Window) -> dict[str, str]:
    if not 1 <= window.first <= (window.last or window.first):
        raise UsageError(
            f"steps {window.first} to {window.last}: they count from 1, and the first is not after the last"
        )
    roles = {role.value: word.bits for role, word in machine.widths.roles.items()}
    described = {"word": machine.widths.word.bits, "roles": roles, "overflow": machine.overflow.value}
    return {
        "machine": json.dumps(described),
        "ops": op_table_digest(),
        "pocketnn": __version__,
        "semantics": str(SEMANTICS),
        "steps": window.text(),
    }
