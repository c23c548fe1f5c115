"""C for what an epoch begins with: learning rates that change, and state that starts anew."""

from __future__ import annotations

from pocketnn.export.arrays import array_lines
from pocketnn.export.emit import flat_loop
from pocketnn.export.places import Layout, Place

__all__ = ["epoch_declaration", "epoch_function", "setting_lines"]


def _count(layout: Layout) -> int:
    """How many epochs begin in different ways."""
    return max((len(rows) for _, rows in layout.settings.values()), default=1)


def epoch_declaration(layout: Layout) -> list[str]:
    """The prototype for the header; nothing if all epochs are alike."""
    if not layout.settings and not layout.resets:
        return []
    count = _count(layout)
    rates = f" Those after the {count}th are like it." if layout.settings else ""
    return [
        f"/* Begins epoch 1, 2, ... of the training; the first is begun already.{rates} */",
        "void pocketnn_epoch(uint16_t epoch);",
        "",
    ]


def setting_lines(layout: Layout) -> list[str]:
    """The variables that an epoch sets, as they are in the first, and their contents in every epoch."""
    lines = []
    for place, rows in layout.settings.values():
        lines += array_lines(f"static {place.kind} {place.name}[{place.size}]", rows[0])
        lines += array_lines(f"static POCKETNN_FLASH {place.kind} {_rows(place)}[{rows.size}]", rows)
    return ["/* Set where an epoch begins, and what to. */", *lines, ""] if lines else []


def _rows(place: Place) -> str:
    return f"{place.name}_in_epoch"


def epoch_function(layout: Layout) -> list[str]:
    """The definition; nothing if all epochs are alike."""
    if not layout.settings and not layout.resets:
        return []
    count, body = _count(layout), []
    if layout.settings:
        body.append(f"const uint16_t row = (uint16_t)(epoch < 1 ? 0 : (epoch > {count} ? {count} : epoch) - 1);")
    else:
        body.append("(void)epoch;")
    for place, _ in layout.settings.values():
        body += _filled(place, f"{_rows(place)}[row]", f"{_rows(place)}[row * {place.size} + i]")
    for place, contents in layout.resets:
        start, *others = sorted({int(x) for x in contents.flat})
        if others:
            name = f"{place.name}_at_first"
            body += array_lines(f"static POCKETNN_FLASH {place.kind} {name}[{place.size}]", contents)
        body += _filled(place, str(start), f"{name}[i]" if others else str(start))
    return ["", "void pocketnn_epoch(uint16_t epoch)", "{", *[f"    {line}" for line in body], "}"]


def _filled(place: Place, single: str, each: str) -> list[str]:
    """Set the only element, or each."""
    if place.size == 1:
        return [f"{place.name}[0] = {single};"]
    return flat_loop(place.size, [f"{place.name}[i] = {each};"])
