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

from pocketnn.arith import CLEAN, OWN_RANGE, Flags, Outcome, OwnRange, Span, Terms, Word, settled, span_of
from pocketnn.errors import CorruptError
from pocketnn.trace.digest import Array, digests, register_dtype
from pocketnn.trace.event import Event

try:
    from pocketnn.trace import compiled
except ImportError:  # numba is an optional extra
    compiled = None  # type: ignore[assignment]

__all__ = ["Figures", "entries_from_text", "figures_of", "look", "measure", "text_of"]

# Results of more elements are taken one by one: stacking them would cost more than the calls it saves.
_LARGE = 1 << 13
_new = tuple.__new__  # makes a named tuple in half the time that calling its class takes


class Figures(NamedTuple):
    """What one event needed and left: exact span before narrowing (None: not measured), digest of the result, flags."""

    span: Span | None
    digest: int
    flags: Flags


def look(outcome: Outcome, word: Word) -> tuple[Span | OwnRange | Terms | None, list[Any] | None]:
    """What the compiled kernel sees in a result in a register of `word`: the span in numbers, and the entry.

    Without the kernel, or for values that it does not take, the settled span and None: `measure` finds out, for many
    results at a time.
    """
    value, flags, span = outcome
    numbers = value.numbers()
    if compiled is None or numbers.dtype.kind != "f" or numbers.size == 0:
        return settled(outcome).span, None
    lo, hi, digest = compiled.look_at(numbers, word.bits)
    if span is OWN_RANGE:
        span = _new(Span, (lo, hi, lo, hi))
        if flags is CLEAN:  # as four of five are
            return span, [lo, hi, digest]
    elif isinstance(span, Terms):
        span = span_of(span, numbers)
    return span, _entry(span, flags, digest)


def measure(events: Sequence[Event]) -> list[Any]:
    """An entry per event, in order."""
    groups: dict[Any, tuple[list[int], list[Array]]] = {}
    entries = [event.entry for event in events]
    for position, (result, _, _, flags, span, entry) in enumerate(events):
        if entry is not None:
            continue
        word = result.code.to.word
        _, entries[position] = look(Outcome(result.value, flags, span), word)
        if entries[position] is not None:
            continue
        numbers, ranged = result.value.numbers(), span is OWN_RANGE
        if result.size > _LARGE:
            rows = numbers.astype(register_dtype(word.bits), order="C").reshape(1, -1)
            entries[position] = _measured([events[position]], rows, ranged)[0]
            continue
        key = word.bits, result.size, ranged
        group = groups.get(key)
        if group is None:
            group = groups[key] = ([], [])
        group[0].append(position)
        group[1].append(numbers.reshape(-1))
    for (bits, size, ranged), (positions, arrays) in groups.items():
        rows = np.concatenate(arrays).astype(register_dtype(bits)).reshape(len(arrays), size)
        for position, entry in zip(positions, _measured([events[i] for i in positions], rows, ranged), strict=True):
            entries[position] = entry
    return entries


def _measured(events: Sequence[Event], rows: Array, ranged: bool) -> list[Any]:
    """Entries of events whose results are rows; `ranged`: their spans are the ranges of their rows."""
    spans: list[Any] = [event.span for event in events]
    if ranged:
        low, high = np.minimum.reduce(rows, axis=1).tolist(), np.maximum.reduce(rows, axis=1).tolist()
        spans = list(map(Span, low, high, low, high))
    return [_entry(span, event.flags, d) for event, span, d in zip(events, spans, digests(rows), strict=True)]


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
