"""What overflowed in a run, as text and as data."""

from __future__ import annotations

from typing import Any

from pocketnn.audit.data import flags_data, key_data, witness_data
from pocketnn.audit.text import compact
from pocketnn.ledger import labels
from pocketnn.machine import Ledger

__all__ = ["overflow_data", "overflow_text"]


def overflow_data(ledger: Ledger) -> dict[str, Any]:
    """Flags of the run and of every site that overflowed, and the first overflow."""
    return {
        "flags": flags_data(ledger.flags),
        "first": witness_data(ledger.first),
        "sites": [{**key_data(site.key), **flags_data(site.flags)} for site in ledger if site.overflowed],
    }


def overflow_text(ledger: Ledger) -> list[str]:
    """Lines: how much overflowed, what first, and which sites, the worst first."""
    flags = ledger.flags
    vanished = f"{compact(flags.vanished)} non-zero updates divided to zero" if flags.vanished else ""
    if not ledger.overflowed:
        return ["no overflow" + (f"; {vanished}" if vanished else "")]
    lines = [
        f"{compact(flags.events)} overflows in {compact(flags.elements)} elements "
        f"({compact(flags.corrupted)} corrupted, {compact(flags.transient)} transient), "
        f"{compact(flags.zero_divisions)} divisions by zero" + (f"; {vanished}" if vanished else ""),
    ]
    if ledger.first:
        lines.append(f"first: {ledger.first}")
    called = labels(ledger.sites)
    worst = sorted((s for s in ledger if s.overflowed), key=lambda s: -s.flags.events - s.flags.zero_divisions)
    lines += [
        f"  {called[site.key]:<34} {compact(site.flags.events):>6} overflows, {compact(site.flags.elements):>6} of "
        f"{compact(site.elements):>6} elements, {compact(site.flags.corrupted):>6} corrupted, "
        f"{compact(site.flags.zero_divisions):>6} x/0"
        for site in worst
    ]
    return lines
