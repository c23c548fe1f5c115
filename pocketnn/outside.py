"""JSON from outside: read within bounds, and held against the shape that it should have."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketnn.errors import DataError

__all__ = ["COUNT", "Each", "check_shape", "parse_json", "read_json", "read_within"]

COUNT = range(1 << 63)
"""Shape of a number of things; no run gets to its end."""

_DIGITS = 40  # of an integer; one op on the widest registers gives fewer
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, and halves of surrogate pairs


@dataclass(frozen=True, slots=True)
class Each:
    """Shape of an object in which every value has the shape `value`, and every name is of `names`, if there are any."""

    value: Any
    names: frozenset[str] = frozenset()


def read_within(path: Path, most: int) -> bytes:
    """The bytes of a file, or of a pipe. Raises DataError if it cannot be read, and for more than `most` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    if len(content) > most:
        raise DataError(f"{path}: more than {most} bytes; no such file is that long")
    return content


def read_json(path: Path, most: int) -> Any:
    """What a JSON file of at most `most` bytes says. Raises DataError as `read_within` and `parse_json` do."""
    return parse_json(read_within(path, most), str(path))


def parse_json(text: str | bytes, where: str) -> Any:
    """What a JSON text says. `where` begins the error messages.

    Raises DataError for what is not JSON, or holds what no file of ours does: NaN, integers of more than 40 digits,
    other numbers beyond all bounds, texts with control characters or halves of surrogate pairs.
    """
    try:
        found = json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and _UNSHOWN.search(value):
            raise DataError(f"{where}: a text has characters that cannot be shown: {value[:40]!a}")
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return found


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"an integer of {len(text)} digits; at most {_DIGITS} are read")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _fraction(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"the number {text[:_DIGITS]} is beyond all bounds")
    return number


def check_shape(value: Any, shape: Any, where: str, at: str = "") -> None:
    """Raise DataError unless `value`, as `parse_json` gave it, has this shape; `where` begins the message.

    A shape is a type (int, str, bool; a bool is no int); a range of integers; a set of texts, one of which it must be;
    None for null; a list of one shape, for a list of such values; a dict of shapes by name, for an object that has at
    least these; `Each`; a tuple of shapes, one of which it must have. at: names and indices that lead to the value.
    """
    alternatives = shape if isinstance(shape, tuple) else (shape,)
    fitting = next((each for each in alternatives if _outwardly(value, each)), alternatives)
    if fitting is alternatives:
        wanted = " or ".join(map(_described, alternatives))
        raise DataError(f"{where}: {at or 'it'} is {_short(value)}; {wanted} belongs here")
    if isinstance(fitting, list):
        for index, item in enumerate(value):
            check_shape(item, fitting[0], where, f"{at}[{index}]")
    elif isinstance(fitting, dict):
        for name, inner in fitting.items():
            if name not in value:
                raise DataError(f"{where}: {_inside(at, name)} is missing")
            check_shape(value[name], inner, where, _inside(at, name))
    elif isinstance(fitting, Each):
        for name, item in value.items():
            if fitting.names and name not in fitting.names:
                known = ", ".join(sorted(fitting.names))
                raise DataError(f"{where}: {_inside(at, name)} does not exist; known are {known}")
            check_shape(item, fitting.value, where, _inside(at, name))


def _inside(at: str, name: str) -> str:
    return f"{at}.{name[:40]}" if at else name[:40]


def _outwardly(value: Any, shape: Any) -> bool:
    """Whether a value is of the right kind, whatever is in it."""
    if shape is None:
        return value is None
    if isinstance(shape, range):
        return type(value) is int and value in shape
    if isinstance(shape, frozenset):
        return isinstance(value, str) and value in shape
    if isinstance(shape, type):
        return type(value) is shape
    return isinstance(value, list if isinstance(shape, list) else dict)


def _described(shape: Any) -> str:
    if isinstance(shape, range):
        return f"a whole number from {shape[0]} to {shape[-1]}"
    if isinstance(shape, frozenset):
        return f"one of {', '.join(sorted(shape))}"
    if isinstance(shape, list):
        return "a list"
    names = {None: "null", int: "a whole number", str: "a text", bool: "true or false"}
    return "an object" if isinstance(shape, (dict, Each)) else names[shape]


def _short(value: Any) -> str:
    """A value as it may stand in a message, without writing out all that is in it."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return repr(value)[:40]
