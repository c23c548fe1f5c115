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

from pocketnn.arith import CLEAN, OWN_RANGE, Flags, OwnRange, Span, Terms
from pocketnn.errors import CorruptError
from pocketnn.trace.digest import Array, digests, register_dtype
from pocketnn.trace.event import Event

__all__ = ["Figures", "entries_from_text", "figures_of", "measure", "text_of"]

# Results of more elements are taken one by one: stacking them would cost more than the calls it saves.
_LARGE = 1 << 13


class Figures(NamedTuple):
    """What one event needed and left: exact span before narrowing (None: not measured), digest of the result, flags."""

    span: Span | None
    digest: int
    flags: Flags


def measure(events: Sequence[Event]) -> list[Any]:
    """An entry per event, in order."""
    groups: dict[Any, tuple[list[int], list[Array]]] = {}
    found: list[tuple[int, int, int]] = [(0, 0, 0)] * len(events)
    for position, event in enumerate(events):
        result, ranged = event.result, event.span is OWN_RANGE
        bits, numbers = result.code.to.word.bits, result.value.numbers()
        if result.size > _LARGE:
            rows = numbers.astype(register_dtype(bits), order="C").reshape(1, -1)
            found[position] = _measured(rows, ranged)[0]
            continue
        key = bits, result.size, ranged
        group = groups.get(key)
        if group is None:
            group = groups[key] = ([], [])
        group[0].append(position)
        group[1].append(numbers.reshape(-1))
    for (bits, size, ranged), (positions, arrays) in groups.items():
        rows = np.concatenate(arrays).astype(register_dtype(bits)).reshape(len(arrays), size)
        for position, figures in zip(positions, _measured(rows, ranged), strict=True):
            found[position] = figures
    return [_entry(event.span, event.flags, *figures) for event, figures in zip(events, found, strict=True)]


def _measured(rows: Array, ranged: bool) -> list[tuple[int, int, int]]:
    """Smallest and greatest element, if `ranged` asks for them, and digest of each row."""
    if not ranged or rows.shape[1] == 0:
        return [(0, 0, digest) for digest in digests(rows)]
    low, high = np.minimum.reduce(rows, axis=1).tolist(), np.maximum.reduce(rows, axis=1).tolist()
    return list(zip(low, high, digests(rows), strict=True))


def _entry(span: Span | OwnRange | Terms | None, flags: Flags, low: int, high: int, digest: int) -> list[Any]:
    assert not isinstance(span, Terms)  # see Event
    entry: list[Any]
    if isinstance(span, OwnRange):
        entry = [low, high, digest]
    elif span is None:
        entry = [None, None, digest]
    else:
        lo, hi, least, most = span
        entry = [lo, hi, digest] if lo == least and hi == most else [lo, hi, digest, least, most]
    if flags is not CLEAN and flags != CLEAN:
        entry += [None] * (5 - len(entry))
        entry += flags
    return entry


def text_of(entries: Sequence[Any]) -> str:
    """Entries as a step's column `figures`."""
    return json.dumps(entries, separators=(",", ":"))


def entries_from_text(column: str, count: int) -> list[Any]:
    """The inverse of `text_of`. Raises CorruptError unless it is a list of `count` entries."""
    try:
        found = json.loads(column)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"figures are not JSON ({error})") from error
    if not isinstance(found, list) or len(found) != count:
        raise CorruptError(f"figures are no list of {count} entries")
    for entry in found:
        if not isinstance(entry, list) or len(entry) not in (3, 5, 12):
            raise CorruptError(f"figures {str(entry)[:60]} are no list of 3, 5 or 12 numbers")
        if any(type(x) is not int and not (x is None and i in (0, 1, 3, 4)) for i, x in enumerate(entry)):
            raise CorruptError(f"figures {str(entry)[:60]} hold something that is no whole number")
        if (entry[0] is None) != (entry[1] is None) or (len(entry) > 3 and (entry[3] is None) != (entry[4] is None)):
            raise CorruptError(f"figures {str(entry)[:60]} have half a range")
    return found


def figures_of(entry: list[Any]) -> Figures:
    """An entry that `measure` or `entries_from_text` gave, as figures."""
    lo, hi, digest = entry[:3]
    least, most = entry[3:5] if len(entry) > 3 and entry[3] is not None else (lo, hi)
    span = None if lo is None else Span(lo, hi, least, most)
    return Figures(span, digest, Flags(*entry[5:]) if len(entry) == 12 else CLEAN)
