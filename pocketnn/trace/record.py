"""Recording a run into a trace file: `with record(machine, path) as m:`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pocketnn import __version__
from pocketnn.arith import SEMANTICS, op_table_digest
from pocketnn.errors import RecordingError
from pocketnn.machine import Machine
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
) -> Iterator[Machine]:
    """A machine like `machine` whose every op goes into the trace file `path`, with its exact range.

    full: store results too, not only their digests. first, last: which steps to record, from 1; the build before the
    first step counts as 1. about: more for the header, texts by name. The file says how the run ended: "complete",
    "interrupted" (ctrl-C) or "failed" (any other exception); one that was killed says nothing. Raises UsageError if the
    file exists, RecordingError if it cannot be written.
    """
    writer = Writer(Path(path), {**(about or {}), **_header(machine)}, full)
    recorder = Recorder(machine.over(machine.backend.measuring()), writer, first, last)
    try:
        with recorder:
            yield machine.over(recorder)
    except KeyboardInterrupt:
        with contextlib.suppress(RecordingError):
            recorder.settle()  # which may be what was interrupted
        writer.close("interrupted")
        raise
    except BaseException:
        writer.close("failed")
        raise
    writer.close("complete")


def _header(machine: Machine) -> dict[str, str]:
    roles = {role.value: word.bits for role, word in machine.widths.roles.items()}
    described = {"word": machine.widths.word.bits, "roles": roles, "overflow": machine.overflow.value}
    return {
        "machine": json.dumps(described),
        "ops": op_table_digest(),
        "pocketnn": __version__,
        "semantics": str(SEMANTICS),
    }
