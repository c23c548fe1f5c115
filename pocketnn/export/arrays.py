"""Declarations of arrays in C, with their elements."""

from __future__ import annotations

from collections.abc import Iterable

from pocketnn.arith.backend import Integers

__all__ = ["array_lines", "initialised"]

_WIDTH = 110


def array_lines(declaration: str, contents: Integers) -> list[str]:
    """A declaration with its elements, in lines of at most 114 characters."""
    return initialised(declaration, [str(x) for x in contents.reshape(-1).tolist()])


def initialised(declaration: str, items: Iterable[str]) -> list[str]:
    """A declaration with these items."""
    lines, line = [f"{declaration} = {{"], "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return [*lines, line, "};"]
