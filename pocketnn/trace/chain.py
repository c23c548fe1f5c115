"""The hash chain: SHA-256 over everything a trace holds, extended at each step.

chain_0 is the hash of the header; chain_n = SHA-256(chain_(n-1) + text), where text is the JSON of the step's rows as
they are stored: `[step, codes, leaves, blocks, checkpoints, results, events]`, each but the first a list of rows in
order of id, columns in the order of `schema.py`, blobs as the hexadecimal SHA-256 of their bytes, no white space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["beginning", "extended"]

Row = Sequence[Any]


def beginning(header: Iterable[tuple[str, str]]) -> bytes:
    """The chain before the first step."""
    return hashlib.sha256(_text(sorted(header)).encode()).digest()


def extended(chain: bytes, step: Row, tables: Sequence[Sequence[Row]], events: Sequence[Row]) -> bytes:
    """The chain after a step. step: its row without the chain. tables: codes, leaves, blocks, checkpoints, results."""
    hashed = [[[_sealed(x) for x in row] for row in rows] for rows in tables]
    return hashlib.sha256(chain + _text([step, *hashed, events]).encode()).digest()


def _sealed(value: Any) -> Any:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
