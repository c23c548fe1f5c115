"""Which meaning the arithmetic has, as a number and as a digest, for files that must be computed the same way again."""

from __future__ import annotations

import hashlib

from pocketnn.arith.ops import OPS

__all__ = ["SEMANTICS", "op_table_digest", "op_table_text"]

SEMANTICS = 1
"""Version of the arithmetic's meaning. It grows whenever any op, on any operands, gives another value, flag or span
than before; results recorded under one number are never compared under another."""


def op_table_text() -> str:
    """The op table as text: the version, then a line per op with its name, operands, parameters and narrowings.

    A line reads `name arity params kind`: params are names with commas between, `-` for none; kind is `single` for ops
    that narrow one exact result, `fold1` and `fold2` for those that narrow once or twice per term.
    """
    lines = [f"semantics {SEMANTICS}"]
    for op in OPS.values():
        kind = "single" if op.depth is None else f"fold{op.rounds}"
        lines.append(f"{op.name} {op.arity} {','.join(op.params) or '-'} {kind}")
    return "".join(f"{line}\n" for line in lines)


def op_table_digest() -> str:
    """SHA-256 of `op_table_text` in hex: equal for two versions of pocketnn with the same ops and SEMANTICS."""
    return hashlib.sha256(op_table_text().encode("ascii")).hexdigest()
