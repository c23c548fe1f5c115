"""The designed operands of the test vectors, op by op."""

from __future__ import annotations

from collections.abc import Callable

from designed.choices import argmax, clamp, gather, reshape, select, transpose
from designed.drafts import Draft, Sections
from designed.elementwise import binary, div, load, squares, unary
from designed.folds import mac, total

__all__ = ["SECTIONS", "Draft"]

SECTIONS: dict[str, Callable[[], Sections]] = {
    "load": load,
    "add": lambda: binary("add"),
    "sub": lambda: binary("sub"),
    "neg": lambda: unary(lambda word: []),
    "mul": lambda: binary("mul"),
    "div": div,
    "mac": mac,
    "sum": total,
    "clamp": clamp,
    "select": select,
    "max": lambda: binary("max"),
    "isqrt": lambda: unary(squares),
    "gather": gather,
    "transpose": transpose,
    "reshape": reshape,
    "argmax": argmax,
}
"""Titled groups of drafts for each op of the table."""
