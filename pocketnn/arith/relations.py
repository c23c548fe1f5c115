"""Relations: what is known of a result beside the ranges of its operands, because these come from the same values.

A square is not negative. Of a quotient q = a / d that did not overflow, q * d lies between 0 and a, and what is left,
a - q * d, has the sign of a and is smaller than d in magnitude (C99 6.5.5: (a/b)*b + a%b equals a).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pocketnn.arith.bounds import Bounds
from pocketnn.arith.ranges import Origin, Ranges

__all__ = ["Relation", "origin", "relation"]


class Relation(NamedTuple):
    """What holds besides. others: ranges that matter too. bounds(*term): of the result, from the operands' bounds and
    those of `others`; sound only together with the op's own rule, of which it takes the tighter part."""

    others: tuple[Ranges, ...]
    bounds: Callable[..., Bounds]


def relation(op: str, operands: tuple[Ranges, ...]) -> Relation | None:
    """The relation between the operands of `op`, if there is one."""
    if op == "mul" and operands[0] is operands[1]:
        return Relation((), lambda a, _: (0, max(a[0] ** 2, a[1] ** 2)))
    multiple = _multiple(op, operands)
    if multiple is not None:
        return Relation((multiple.of,), lambda q, d, a: (min(a[0], 0), max(a[1], 0)))
    if op == "sub":
        part = operands[1].origin
        if part is not None and part.op == "multiple" and part.of is operands[0]:
            return Relation((part.by,), lambda a, p, d: _remainder(a, max(-d[0], d[1]) - 1))
    return None


def origin(op: str, operands: tuple[Ranges, ...]) -> Origin | None:
    """What to remember of a result that did not overflow: a quotient, or a quotient times its divisor."""
    if op == "div":
        return Origin("div", operands[0], operands[1])
    return _multiple(op, operands)


def _multiple(op: str, operands: tuple[Ranges, ...]) -> Origin | None:
    """Dividend and divisor, if a quotient is multiplied by its divisor."""
    if op != "mul":
        return None
    for quotient, divisor in (operands, operands[::-1]):
        source = quotient.origin
        if source is not None and source.op == "div" and source.by is divisor:
            return Origin("multiple", source.of, source.by)
    return None


def _remainder(a: Bounds, most: int) -> Bounds:
    return max(min(a[0], 0), -most), min(max(a[1], 0), most)
