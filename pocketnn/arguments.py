"""What the ops of a Machine may be given, and the sentence for what they may not.

Looking at every operand of every op would take time. So they are looked at where a site first runs, and where an op
failed for a reason that is not its own.
"""

from __future__ import annotations

from operator import index
from typing import Any

from pocketnn.arith import Backend, Op, Tensor, Word, plain
from pocketnn.errors import UsageError

__all__ = ["check_operands", "table", "whole_numbers"]


def check_operands(op: Op, args: tuple[Any, ...], at: object, backend: Backend, widest: Word | None) -> None:
    """Raise UsageError if `args` has an operand that is no value of a machine that computes by `backend`.

    widest: the widest register of that machine; None where a value may have come from elsewhere. at: the site's name.
    """
    if not isinstance(at, str):
        raise UsageError(f"{op.name}: at is {_brief(at)}, but a site is named by text, as in at='add'")
    for x in args[: op.arity] if op.name != "load" else ():
        if not hasattr(x, "ints"):
            raise UsageError(
                f"{op.name} at {at!r} is given {_brief(x)}, which is in no register: "
                "bring it in by m.load(it, role), or by m.constant(it, name) if it belongs to the program"
            )
        misfit = _misfit(x, backend, widest)
        if misfit:
            raise UsageError(
                f"{op.name} at {at!r} is given {misfit}: it is of another machine; bring its numbers in by "
                "m.load(value.ints(), role)"
            )


def _misfit(x: Any, backend: Backend, widest: Word | None) -> str:
    """Why a value cannot be of the machine; empty if it can."""
    if not backend.takes(x):
        return f"a {type(x).__name__} of shape {x.shape}, which {type(backend).__name__} does not compute with"
    if widest is None or x.size == 0:
        return ""
    try:
        numbers = x.numbers()
    except UsageError:  # a range, which is no number
        return ""
    for number in (int(numbers.min()), int(numbers.max())):
        if not widest.lo <= number <= widest.hi:
            return f"the number {number}, which no register here holds (the widest has {widest.bits} bits)"
    return ""


def _brief(x: object) -> str:
    """A thing and its type, on one short line."""
    text = " ".join(repr(x).split())
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(x).__name__})"


def table(indices: object) -> Tensor:
    """A static index table from integers nested as it is. Raises DataError if they are no integers."""
    if type(indices) is Tensor:
        return indices
    found = indices if isinstance(indices, Tensor) else plain(indices)
    return Tensor(found.shape, found.items)


def whole_numbers(given: Any, what: str) -> tuple[int, ...]:
    """A static parameter of several whole numbers. Raises UsageError if it is none."""
    try:
        return tuple(map(index, given))
    except TypeError:
        raise UsageError(f"{what} is {_brief(given)}: give whole numbers one after the other, as in (4, 2)") from None
