"""The hash chain: SHA-256 over everything a trace holds, extended at each step.

chain_0 = SHA-256(JSON of the header's rows, sorted); chain_n = SHA-256(chain_(n-1) + figures + text), where figures is
the step's column of that name and text is the JSON of `[step, codes, plans, leaves, checkpoints, results]`: the step's
row up to `events`, then the rows that came with it, in order of id, columns in the order of `schema.py`. In place of a
blob stands the hexadecimal SHA-256 of what it means: of a checkpoint or result its register contents, of a leaf the
SHA-256s of its rows, joined. How rows are cut into blocks and compressed is no part of it: the chain of a run depends
on neither the clock nor a release of zlib. The ending closes it with SHA-256(chain_n + JSON of `[status, steps, events,
seen]`). JSON without white space, characters beyond ASCII escaped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["EXTRAS", "beginning", "closed", "extended", "sealed"]

Row = Sequence[Any]
_JSON = json.JSONEncoder(separators=(",", ":"))

EXTRAS = ("code", "plan", "leaf", "checkpoint", "result")  # tables whose rows come with a step, and are in its link


def beginning(header: Iterable[tuple[str, str]]) -> bytes:
    """The chain before the first step."""
    return hashlib.sha256(_text(sorted(header))).digest()


def extended(chain: bytes, figures: str, step: Row, extras: Sequence[Sequence[Row]]) -> bytes:
    """The chain after a step. step: its row up to `events`. extras: rows, table by table, with blobs `sealed`."""
    return hashlib.sha256(chain + figures.encode() + _text([step, *extras])).digest()


def closed(chain: bytes, ending: Row) -> bytes:
    """The chain after the end. ending: its row from `status` to the last column before `chain`."""
    return hashlib.sha256(chain + _text(ending)).digest()


def sealed(content: bytes) -> str:
    """What stands in a link for bytes."""
    return hashlib.sha256(content).hexdigest()


def _text(value: Any) -> bytes:
    return _JSON.encode(value).encode()
