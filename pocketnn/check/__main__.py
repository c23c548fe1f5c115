"""The checker as a program: `python -m pocketnn.check CERTIFICATE.json [WEIGHTS]`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pocketnn.check.certificate import Checked
from pocketnn.check.weights import read_weights

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Exit code 0 for a verified proof, 1 for one with faults, 2 for bad usage or a file that cannot be read."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        print("usage: python -m pocketnn.check CERTIFICATE.json [WEIGHTS]", file=sys.stderr)
        return 2
    path = arguments[0]
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        path = arguments[-1]
        weights = read_weights(Path(path)) if len(arguments) == 2 else ()
    except (OSError, ValueError, RecursionError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    checked = Checked(data, *weights)
    faults = checked.faults[:20]
    print("\n".join(["NOT VERIFIED:", *faults] if faults else _said(checked, bool(weights))))
    return 1 if faults else 0


def _said(checked: Checked, weights: bool) -> Iterator[str]:
    """What was verified, for what, and what was not."""
    data = checked.data
    yield f"verified: {len(data['steps'])} steps, nothing can overflow on {_machine(data)}"
    yield f"in {data['kind']} as the certificate claims it:"
    yield from _wrapped(", ".join(f"{name} {json.dumps(value)}" for name, value in data["claim"].items()))
    yield "and assumes it, with no more than this from outside:"
    yield from (f"  {line}" for line in checked.assumptions())
    listed = "" if weights or data["kind"] == "training" else "; that a file has these weights (give WEIGHTS)"
    yield "not checked:"
    yield from _wrapped(
        "which bounds are attained, what else is provable, the notes; who made the certificate; that what runs on a "
        f"device is this program{listed}"
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _machine(data: Mapping[str, Any]) -> str:
    machine = data["machine"]
    others = "".join(f", {bits} as {role}" for role, bits in machine["roles"].items())
    return f"registers of {machine['word']} bits{others} ({machine['overflow']})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
