"""Arithmetic in C99: types, narrowing into registers, and the exact value of an op, without undefined behaviour.

Where the exact result fits an integer type no wider than the register's, it is computed in that signed type. Else
wraparound is computed in the register's unsigned type, where only the low bits matter, and saturation in a signed type
that holds the exact result. No operand is ever narrower than its arithmetic, so C's promotions change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from pocketnn.arith import Op, Overflow, Register, Word
from pocketnn.arith.c_helpers import ORDER, ROOT
from pocketnn.errors import UsageError

__all__ = ["Operand", "Spelling", "c_type", "check_plain", "storage_bits"]

_SIZES = (8, 16, 32, 64)


class Operand(NamedTuple):
    """A C expression of integer type, and the bits of two's complement that hold all its values."""

    text: str
    bits: int


def storage_bits(bits: int) -> int:
    """Width of the narrowest C type that holds `bits` bits."""
    return next(size for size in _SIZES if bits <= size)


def c_type(bits: int) -> str:
    """The narrowest signed C type that holds `bits` bits."""
    return f"int{storage_bits(bits)}_t"


def _unsigned(bits: int) -> str:
    """The unsigned type to compute in, modulo 2^bits; never narrower than int, for C would promote it to signed."""
    return "unsigned" if bits <= 16 else f"uint{storage_bits(bits)}_t"


def _signed(bits: int) -> str:
    """The signed type to compute in, exactly."""
    return c_type(max(bits, 16))


def _hex(value: int, bits: int) -> str:
    return f"0x{value:X}u" if bits <= 16 else f"UINT{storage_bits(bits)}_C(0x{value:X})"


# Bits of the exact result, from the operands' bits; ops that are not here yield one of their operands, or less.
_GROWTH: dict[str, Callable[..., int]] = {
    "add": lambda *bits: max(bits) + 1,
    "sub": lambda *bits: max(bits) + 1,
    "neg": lambda *bits: max(bits) + 1,
    "mul": lambda *bits: sum(bits),
    "mac": lambda *bits: sum(bits),
}


@dataclass
class Spelling:
    """Spells values in C, and collects the helper functions that it used.

    plain: wraparound by plain signed arithmetic, undefined in C and so visible to a sanitizer; needs 32-bit words.
    """

    plain: bool = False
    helpers: dict[str, str] = field(default_factory=dict)

    def fit(self, x: Operand, to: Register) -> str:
        """An exact value narrowed into a register: cast, low bits, or nearest bound."""
        bits = to.word.bits
        if x.bits <= bits:
            return f"({c_type(bits)})({x.text})"
        if to.overflow is Overflow.SATURATE:
            return f"{self._saturate(x.bits, to.word)}(({_signed(min(x.bits, 64))})({x.text}))"
        return f"{self._wrap(to.word)}(({_unsigned(bits)})({x.text}))"

    def exact(self, op: Op, operands: list[Operand], to: Register) -> Operand:
        """The op's value before narrowing; for wraparound any value that is the same in the low bits."""
        if op.name not in _GROWTH:
            values = [x.text for x in operands]
            if "GREATEST" in op.c or "LEAST" in op.c:
                self.helpers["order"] = ORDER
            if "root" in op.c:
                self.helpers["root"] = ROOT
                values = [f"(int64_t){x.text}" for x in operands]
            return Operand(op.c.format(*values), max(x.bits for x in operands))
        bits = _GROWTH[op.name](*[x.bits for x in operands])
        own = to.word.bits
        wraps = to.overflow is Overflow.WRAP
        if self.plain:
            return Operand(self._in(op, operands, c_type(own)), own)
        if wraps and (bits > 64 or storage_bits(max(bits, 16)) > storage_bits(max(own, 16))):
            return Operand(self._in(op, operands, _unsigned(own)), max(bits, own + 1))
        if bits > 64:
            return Operand(self._wide_product(operands), 64)
        return Operand(self._in(op, operands, _signed(bits)), bits)

    def value(self, op: Op, operands: list[Operand], to: Register) -> str:
        """What the register holds: the op's value, narrowed."""
        return self.fit(self.exact(op, operands, to), to)

    def accumulator(self, to: Register) -> str:
        """The type to sum in: wraparound may keep more than the register's bits until the end."""
        return _unsigned(to.word.bits) if self._loose(to) else c_type(to.word.bits)

    def product(self, op: Op, operands: list[Operand], to: Register) -> Operand:
        """A product as it enters a sum: narrowed first, where the sum does not keep the low bits alone."""
        exact = self.exact(op, operands, to)
        if self._loose(to) or exact.bits <= to.word.bits:
            return exact
        return Operand(self.fit(exact, to), to.word.bits)

    def accumulate(self, name: str, term: Operand, to: Register) -> str:
        """The accumulator `name` after one more term, the sum narrowed."""
        if self._loose(to):
            return f"{name} + ({_unsigned(to.word.bits)})({term.text})"
        if self.plain:
            return f"{name} + {self.fit(term, to)}"
        bits = max(term.bits, to.word.bits) + 1
        kind = _signed(bits)
        return self.fit(Operand(f"({kind}){name} + ({kind})({term.text})", bits), to)

    def term_type(self, bits: int, to: Register) -> str:
        """A signed type for terms of `bits` bits that are added up in a register."""
        return _signed(max(bits, to.word.bits))

    def accumulated(self, name: str, to: Register) -> str:
        """The final accumulator as the register's contents."""
        return self.fit(Operand(name, 65), to) if self._loose(to) else name

    def _loose(self, to: Register) -> bool:
        return to.overflow is Overflow.WRAP and not self.plain

    @staticmethod
    def _in(op: Op, operands: list[Operand], kind: str) -> str:
        return op.c.format(*[f"({kind}){x.text}" for x in operands])

    # --- helper functions --------------------------------------------------------------------------------

    def _wrap(self, word: Word) -> str:
        name = f"wrap{word.bits}"
        kind, unsigned, mask = c_type(word.bits), _unsigned(word.bits), _hex((1 << word.bits) - 1, word.bits)
        self.helpers[name] = (
            f"/* The low {word.bits} bits of x as a two's-complement number. */\n"
            f"static {kind} {name}({unsigned} x)\n{{\n"
            f"    const {unsigned} low = x & {mask};\n\n"
            f"    return low <= {_hex(word.hi, word.bits)} ? ({kind})low : ({kind})(-({kind})({mask} - low) - 1);\n}}\n"
        )
        return name

    def _saturate(self, bits: int, word: Word) -> str:
        kind, wide = c_type(word.bits), _signed(bits)
        name = f"saturate{word.bits}_{wide[3:-2]}"
        self.helpers[name] = (
            f"/* The {word.bits}-bit number nearest to x. */\n"
            f"static {kind} {name}({wide} x)\n{{\n"
            f"    return ({kind})(x < {word.lo} ? {word.lo} : x > {word.hi} ? {word.hi} : x);\n}}\n"
        )
        return name

    def _wide_product(self, operands: list[Operand]) -> str:
        self.helpers["product"] = (
            "/* a * b, or the bound of int64_t that lies before it. */\n"
            "static int64_t product(int64_t a, int64_t b)\n{\n"
            "    if (a > 0 && b > 0 && a > INT64_MAX / b) {\n        return INT64_MAX;\n    }\n"
            "    if (a < 0 && b < 0 && a < INT64_MAX / b) {\n        return INT64_MAX;\n    }\n"
            "    if (a > 0 && b < 0 && b < INT64_MIN / a) {\n        return INT64_MIN;\n    }\n"
            "    if (a < 0 && b > 0 && a < INT64_MIN / b) {\n        return INT64_MIN;\n    }\n"
            "    return a * b;\n}\n"
        )
        a, b = operands
        return f"product({a.text}, {b.text})"


def check_plain(to: Register) -> None:
    """Refuse a register whose overflow plain C arithmetic would not show. Raises UsageError."""
    if to.word.bits != 32 or to.overflow is not Overflow.WRAP:
        raise UsageError(
            f"a {to.word.bits}-bit {to.role.value} register ({to.overflow.value}): plain int arithmetic shows overflow "
            "only in 32-bit registers that wrap; use --word 32 --overflow wrap"
        )
