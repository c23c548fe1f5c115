"""The golden traces: made again, and compared event by event.

    python traces/golden/regenerate.py           write those that are missing
    python traces/golden/regenerate.py --check   exit code 1 if a committed one is not what this code records

A trace that differs means that the arithmetic or the format has changed: raise SEMANTICS or FORMAT, say so in the
change log, delete the files and write them again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocketnn.arith import Overflow, Role, Vector
from pocketnn.conv import Conv2d, ImageShape
from pocketnn.data import Split, load_dataset
from pocketnn.machine import Machine, Widths
from pocketnn.trace import Trace, record, verify
from pocketnn.trace.diff import difference
from pocketnn.train import Recipe, train

HERE = Path(__file__).parent
Write = Callable[[Path], None]
WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE


def training(bits: int, overflow: Overflow, full: bool = False, accumulator: int | None = None, **recipe: Any) -> Write:
    """A function that records three training steps, an evaluation and nothing else into a file."""

    def write(path: Path) -> None:
        digits = load_dataset("digits", 60)
        few = replace(digits, test=Split(digits.test.images[:20], digits.test.labels[:20]))
        chosen = Recipe(**{"hidden": (8,), "epochs": 1, "lr_inv": 200, **recipe})
        with record(Machine(Vector(), Widths.of(bits, accumulator), overflow), path, full) as m:
            train(m, few, chosen)

    return write


def convolution(path: Path) -> None:
    """Two forward passes of a convolution with pooling, on 16-bit registers."""
    images = load_dataset("digits", 6).train.images
    filters = [[[[f * x - y for x in (-9, 30, 80)] for y in (-70, 5, 60)]] for f in (1, -2)]
    with record(Machine(Vector(), Widths.of(16), WRAP), path) as m:
        layer = Conv2d(m, ImageShape(1, 8, 8), filters, [[40, -7]])
        for step in (1, 2):
            m.now("test", 1, step)
            layer.forward(m.load(images[3 * step - 3 : 3 * step], Role.INPUT))


GOLDEN: dict[str, Write] = {
    "dfa-32-wrap": training(32, WRAP),
    "dfa-16-wrap-full": training(16, WRAP, full=True),
    "dfa-16-saturate": training(16, SATURATE),
    "dfa-8-wrap": training(8, WRAP),
    "dfa-8-saturate-accumulator-32": training(8, SATURATE, accumulator=32),
    "bp-16-wrap": training(16, WRAP, algorithm="bp"),
    "bp-8-saturate": training(8, SATURATE, algorithm="bp"),
    "dfa-32-wrap-batchnorm": training(32, WRAP, batch_norm=True),
    "bp-16-saturate-batchnorm": training(16, SATURATE, algorithm="bp", batch_norm=True),
    "conv-16-wrap": convolution,
}


def differing() -> list[str]:
    """A line for each golden trace that is missing or is not what this code records, with the first difference."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, write in GOLDEN.items():
            fresh, kept = Path(folder, f"{name}.pnt"), HERE / f"{name}.pnt"
            write(fresh)
            if not kept.exists():
                found.append(f"{name}: missing")
                continue
            verify(kept)
            with Trace(kept) as ours, Trace(fresh) as theirs:
                if lines := difference(ours, theirs):
                    found.append(" ".join([name, *lines]))
    return found


def main() -> int:
    """Write or check; the exit code."""
    if "--check" in sys.argv[1:]:
        wrong = differing()
        print("\n".join(wrong) or f"{len(GOLDEN)} traces as recorded")
        return 1 if wrong else 0
    for name, write in GOLDEN.items():
        path = HERE / f"{name}.pnt"
        if not path.exists():
            write(path)
            print(path.name, path.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
