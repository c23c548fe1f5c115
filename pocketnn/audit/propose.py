"""Word-length proposal: the narrowest registers, role by role, in which this run cannot overflow."""

from __future__ import annotations

from collections.abc import Mapping

from pocketnn.arith import MAX_BITS, MIN_BITS, Role, Word
from pocketnn.machine import Ledger, Widths

__all__ = ["REGISTERS", "narrowest", "proposed"]

REGISTERS = (8, 16, 32, MAX_BITS)  # the C types int8_t, int16_t, int32_t; beyond them what is emulated at most


def narrowest(exact: Ledger) -> dict[Role, int]:
    """Bits that every role of an exact run needs, in the order of Role; roles that it does not use are left out."""
    bits: dict[Role, int] = {}
    for site in exact:
        if site.span is not None:
            role = site.register.role
            bits[role] = max(bits.get(role, MIN_BITS), Word.holding(site.span.least, site.span.most))
    return {role: bits[role] for role in Role if role in bits}


def proposed(bits: Mapping[Role, int]) -> Widths | None:
    """Registers of 8, 16, 32 or 48 bits that hold `bits`; None where even 48 are too few."""
    if not bits or max(bits.values()) > MAX_BITS:
        return None
    words = {role: Word(next(b for b in REGISTERS if need <= b)) for role, need in bits.items()}
    widest = max(words.values(), key=lambda word: word.bits)
    return Widths(widest, {role: word for role, word in words.items() if word != widest})
