"""The figures of a step's events: exact range, digest and flags of each, many results at a time.

As text: a JSON list with an entry per event, `[lo, hi, digest, least, most, events, elements, transient, corrupted,
vanished, zero_divisions, first]`, cut off after the last that says something: `least` and `most` are left out where
they equal `lo` and `hi`, the flags where nothing happened. `lo` and `hi` are null where nothing was measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pocketnn.arith import CLEAN, OWN_RANGE, Flags, Span, Terms, span_of
from pocketnn.errors import CorruptError
from pocketnn.trace.digest import Array, digests, register_dtype
from pocketnn.trace.event import Event

try:
    from pocketnn.trace import compiled
except ImportError:  # numba is an optional extra
    compiled = None  # type: ignore[assignment]

__all__ = ["Figures", "entries_from_text", "figures_of", "measure", "range_of", "text_of"]

# Results of more elements are taken one by one: stacking them would cost more than the calls it saves.
_LARGE = 1 << 13
_INTEGERS = {int}
_new = tuple.__new__  # makes a named tuple in half the time that calling its class takes


class Figures(NamedTuple):
    """What one event needed and left: exact span before narrowing (None: not measured), digest of the result, flags."""

    span: Span | None
    digest: int
    flags: Flags


def measure(events: Sequence[Event]) -> list[list[Any]]:
    """An entry per event, in order."""
    numbers = [event.result.value.numbers() for event in events]
    entries = _looks([event.result.code.to.word.bits for event in events], numbers)
    for i, (_, _, _, flags, span) in enumerate(events):
        if span is OWN_RANGE:
            if flags is CLEAN:  # as four of five are
                continue
            span = range_of(entries[i])
        elif isinstance(span, Terms):
            span = span_of(span, numbers[i])
        entries[i] = _entry(span, flags, entries[i][2])
    return entries


def _looks(widths: Sequence[int], numbers: Sequence[Array]) -> list[Any]:
    """Least and greatest element and digest of each result, in a register of so many bits.

    Small ones are looked at together, for a call costs more than their arithmetic; an array of several results once.
    """
    groups: dict[Any, list[int]] = {}
    for i, (bits, data) in enumerate(zip(widths, numbers, strict=True)):
        size = data.size
        look = _compiled_looks if compiled is not None and size and data.dtype.kind == "f" else _numpy_looks
        alike = id(data) if size > _LARGE else -size if look is _numpy_looks else 0
        groups.setdefault((look, bits, alike), []).append(i)
    looks: list[Any] = [None] * len(numbers)
    for (look, bits, alike), places in groups.items():
        arrays = [numbers[i] for i in places]
        found = look(arrays[:1], bits) * len(places) if alike > 0 else look(arrays, bits)
        for i, row in zip(places, found, strict=True):
            looks[i] = row
    return looks


def _compiled_looks(arrays: list[Array], bits: int) -> list[Any]:
    """`_looks` of floats, none of them empty, in the compiled kernel: it takes half of NumPy's time or less."""
    flat = arrays[0].reshape(-1) if len(arrays) == 1 else np.concatenate(arrays, axis=None)
    found: list[Any] = compiled.look_at(flat, np.array([data.size for data in arrays]), bits).tolist()
    return found


def _numpy_looks(arrays: list[Array], bits: int) -> list[Any]:
    """`_looks` of results of one size; 0 in place of the elements where there are none."""
    rows = np.concatenate(arrays, axis=None).astype(register_dtype(bits)).reshape(len(arrays), arrays[0].size)
    if rows.size == 0:
        return [[0, 0, digest] for digest in digests(rows)]
    low, high = np.minimum.reduce(rows, axis=1).tolist(), np.maximum.reduce(rows, axis=1).tolist()
    return list(map(list, zip(low, high, digests(rows), strict=True)))


def _entry(span: Span | None, flags: Flags, digest: int) -> list[Any]:
    if span is None:
        entry = [None, None, digest]
    else:
        lo, hi, least, most = span
        entry = [lo, hi, digest] if lo == least and hi == most else [lo, hi, digest, least, most]
    if flags is not CLEAN and flags != CLEAN:
        entry += [None] * (5 - len(entry))
        entry += flags
    return entry


# Looking for cycles where there can be none takes a fourth of the time.
_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def text_of(entries: Sequence[Any]) -> str:
    """Entries as a step's column `figures`."""
    return _JSON.encode(entries)


def entries_from_text(column: str, count: int) -> list[Any]:
    """The inverse of `text_of`, however the numbers are spelled. Raises CorruptError unless it is `count` entries."""
    try:
        found = json.loads(column)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"figures are not JSON ({error})") from error
    if not isinstance(found, list) or len(found) != count:
        raise CorruptError(f"figures are no list of {count} entries")
    return [entry if _usual(entry) else _respelled(entry) for entry in found]


def _usual(entry: Any) -> bool:
    """Whether it is an entry without flags as `measure` spells it: nearly all are."""
    if type(entry) is not list or set(map(type, entry)) != _INTEGERS:
        return False
    if len(entry) == 3:
        return bool(entry[0] <= entry[1])
    return len(entry) == 5 and entry[3] <= entry[0] <= entry[1] <= entry[4] and entry[:2] != entry[3:]


def _respelled(entry: Any) -> list[Any]:
    """Any other entry as `measure` spells it. Raises CorruptError for what is none."""
    if not isinstance(entry, list) or len(entry) not in (3, 5, 12):
        raise CorruptError(f"figures {str(entry)[:60]} are no list of 3, 5 or 12 numbers")
    if any(type(x) is not int and not (x is None and i in (0, 1, 3, 4)) for i, x in enumerate(entry)):
        raise CorruptError(f"figures {str(entry)[:60]} hold something that is no whole number")
    if (entry[0] is None) != (entry[1] is None) or (len(entry) > 3 and (entry[3] is None) != (entry[4] is None)):
        raise CorruptError(f"figures {str(entry)[:60]} have half a range")
    span, digest, flags = figures_of(entry)
    if span is not None and not span.least <= span.lo <= span.hi <= span.most:
        raise CorruptError(f"figures {str(entry)[:60]} have a range that is none")
    if min(flags[:-1]) < 0 or flags.first < -1:
        raise CorruptError(f"figures {str(entry)[:60]} count less than nothing")
    return _entry(span, flags, digest)


def figures_of(entry: list[Any]) -> Figures:
    """An entry that `measure` or `entries_from_text` gave, as figures."""
    return Figures(range_of(entry), entry[2], Flags(*entry[5:]) if len(entry) == 12 else CLEAN)


def range_of(entry: list[Any]) -> Span | None:
    """The exact range in an entry; None where nothing was measured."""
    lo = entry[0]
    if lo is None:
        return None
    hi = entry[1]
    if len(entry) == 3 or entry[3] is None:
        return _new(Span, (lo, hi, lo, hi))
    return _new(Span, (lo, hi, entry[3], entry[4]))
