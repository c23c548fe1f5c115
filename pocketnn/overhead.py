"""What recording a training costs: time, memory and the size of the trace, in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pocketnn.arith import Overflow, Vector
from pocketnn.bench import warm_up
from pocketnn.data import load_dataset
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.trace import record
from pocketnn.train import train

__all__ = ["Overhead", "overhead"]


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds and peak resident bytes of a run without and with recording, and the bytes of its trace.

    ranged_seconds: of a run that measures ranges and records nothing, as an audit does; recording measures them too.
    ratio, ratio_ranged: what a recorded run takes over one without recording, and over that one.
    """

    untraced_seconds: float
    ranged_seconds: float
    traced_seconds: float
    ratio: float
    ratio_ranged: float
    untraced_peak: int
    traced_peak: int
    trace_bytes: int


def overhead(data: str, limit: int | None, recipe: Recipe, widths: Widths, overflow: Overflow) -> Overhead:
    """Train without recording, with ranges alone, and with recording, each in a fresh process that loads the data.

    Loading and compiling are not timed; they are in the peaks.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.pnt"
        run = data, limit, recipe, widths, overflow
        untraced, low = _apart(*run, False, None)
        ranged, _ = _apart(*run, True, None)
        traced, high = _apart(*run, True, path)
        ratios = traced / untraced, traced / ranged
        return Overhead(untraced, ranged, traced, *ratios, low, high, path.stat().st_size)


def _apart(*args: object) -> tuple[float, int]:
    """`_run` in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, *args).result()  # type: ignore[arg-type]  # the arguments of `_run`, in order


def _run(
    data: str, limit: int | None, recipe: Recipe, widths: Widths, overflow: Overflow, ranged: bool, path: Path | None
) -> tuple[float, int]:
    """Seconds and peak memory of one training, recorded if there is a path."""
    dataset = load_dataset(data, limit)

    def machine() -> contextlib.AbstractContextManager[Machine]:
        """A new one, recorded if there is a path."""
        made = Machine(Vector(measure=ranged), widths, overflow)
        return record(made, path) if path else contextlib.nullcontext(made)

    with machine() as m:
        warm_up(m, dataset, recipe)
    if path is not None:
        path.unlink()
    start = time.perf_counter()
    with machine() as m:
        train(m, dataset, recipe)
    return time.perf_counter() - start, _peak()


def _peak() -> int:
    """Peak resident bytes of this process. On Linux not from getrusage, which there goes back to before the exec."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
