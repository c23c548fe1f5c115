"""The fields of which test vectors are made: integers, ranges, shapes, tensors, words, registers, static parameters.

Every field has a function that reads it, which raises DataError (UsageError for a word that does not exist), and one
that writes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from pocketnn.arith import Op, Overflow, Register, Role, Tensor, Word
from pocketnn.errors import DataError

__all__ = [
    "PARAMS",
    "check_fits",
    "count",
    "range_text",
    "read_range",
    "read_register",
    "read_tensor",
    "read_words",
    "register_text",
    "shape_text",
    "tensor_text",
    "words_text",
]

# Limits for lines from strangers. The work that a line can ask for grows with the square of the elements.
_MOST_ELEMENTS = 1024  # of a tensor, and of each of its axes
_MOST_AXES = 8
_DIGITS = 40

_INTEGER = re.compile(rf"-?[0-9]{{1,{_DIGITS}}}")
_COUNT = re.compile(r"[0-9]{1,9}")
_WORD = re.compile(r"i([0-9]{1,2})")
_NONE = "-"  # a shape, a list of axes or of words with nothing in it
_DEFAULT_ROLE = Role.ACCUMULATOR

Choice = TypeVar("Choice", bound=Enum)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise DataError(f"{text[:50]!r} where an integer of at most {_DIGITS} digits belongs")
    return int(text)


def count(text: str) -> int:
    """A number of events or elements, or an index."""
    if not _COUNT.fullmatch(text):
        raise DataError(f"{text[:50]!r} where a count of at most 9 digits belongs")
    return int(text)


def _shape(text: str) -> tuple[int, ...]:
    parts = () if text == _NONE else tuple(text.split("x"))
    if len(parts) > _MOST_AXES or not all(_COUNT.fullmatch(part) for part in parts):
        raise DataError(f"{text[:50]!r} where a shape like 2x3 of at most {_MOST_AXES} axes belongs ({_NONE} for none)")
    shape = tuple(map(int, parts))
    if max(shape, default=0) > _MOST_ELEMENTS or math.prod(shape) > _MOST_ELEMENTS:
        raise DataError(f"shape {text}: no axis and no tensor may have more than {_MOST_ELEMENTS} elements")
    return shape


def shape_text(shape: tuple[int, ...]) -> str:
    """`2x3`; `-` for a single value's."""
    return "x".join(map(str, shape)) or _NONE


def read_tensor(text: str) -> Tensor:
    """A single value, `7`, or a shape with its elements row by row, `2x3:1,2,3;4,5,6`."""
    prefix, colon, body = text.rpartition(":")
    shape = _shape(prefix) if colon else ()
    parts = re.split("[,;]", body) if body else []
    if len(parts) != math.prod(shape):
        raise DataError(f"{text[:50]!r}: shape {shape_text(shape)} has {math.prod(shape)} elements, found {len(parts)}")
    return Tensor(shape, tuple(map(_integer, parts)))


def tensor_text(tensor: Tensor) -> str:
    """Elements of the last axis with commas between, a semicolon after each row but the last."""
    if not tensor.shape:
        return str(tensor.items[0])
    row = tensor.shape[-1] or 1
    rows = (tensor.items[start : start + row] for start in range(0, len(tensor.items), row))
    return f"{shape_text(tensor.shape)}:{';'.join(','.join(map(str, items)) for items in rows)}"


def _axes(text: str) -> tuple[int, ...]:
    return () if text == _NONE else tuple(map(_integer, text.split(",")))


def _axes_text(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes)) or _NONE


def range_text(lo: int, hi: int) -> str:
    """`-3..7`; one number where both ends are the same."""
    return str(lo) if lo == hi else f"{lo}..{hi}"


def read_range(text: str) -> tuple[int, int]:
    """Both ends of a range."""
    lo, dots, hi = text.partition("..")
    return _integer(lo), _integer(hi if dots else lo)


def _word(text: str) -> Word:
    match = _WORD.fullmatch(text)
    if not match:
        raise DataError(f"{text[:50]!r} where a word like i8 belongs")
    return Word(int(match[1]))


def read_words(text: str, op: Op) -> tuple[Word, ...]:
    """The words of the operands: one for all of them, or one each; none for `load`."""
    if op.name == "load":
        if text != _NONE:
            raise DataError(f"{text[:50]!r}: what load takes is in no register yet; write {_NONE}")
        return ()
    words = tuple(map(_word, text.split(",")))
    if len(words) not in (1, op.arity):
        raise DataError(f"{text[:50]!r}: {op.name} takes {op.arity} operands; give one word for all or one each")
    return words * op.arity if len(words) == 1 else words


def words_text(words: tuple[Word, ...]) -> str:
    """One word where all are the same."""
    words = words[:1] if len(set(words)) == 1 else words
    return ",".join(f"i{word.bits}" for word in words) or _NONE


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(str(choice.value) for choice in kind)
        raise DataError(f"unknown {kind.__name__.lower()} {text[:50]!r}; known are {known}") from None


def read_register(text: str, mode: str) -> Register:
    """A destination like `i8` or `i8:update`, and what it does on overflow."""
    word, colon, role = text.partition(":")
    return Register(_choice(Role, role) if colon else _DEFAULT_ROLE, _word(word), _choice(Overflow, mode))


def register_text(to: Register) -> str:
    """The destination without its role where that is the usual one, then the overflow mode."""
    return f"i{to.word.bits}{'' if to.role is _DEFAULT_ROLE else f':{to.role.value}'} {to.overflow.value}"


def check_fits(tensor: Tensor, word: Word) -> None:
    """Raise DataError unless `word` holds every element."""
    for item in tensor.items:
        if not word.lo <= item <= word.hi:
            raise DataError(f"{item} does not fit i{word.bits}, which holds {word.lo} to {word.hi}")


PARAMS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "axis": (_integer, str),
    "indices": (read_tensor, tensor_text),
    "axes": (_axes, _axes_text),
    "shape": (_shape, shape_text),
}
"""How each static parameter of the op table is read and written."""
