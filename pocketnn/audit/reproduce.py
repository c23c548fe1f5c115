"""Shrunk reproducers: the smallest operands with which an overflow that was seen still happens, as a pytest test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pocketnn.arith import OPS, Flags, Op, Reference, Register, Tensor
from pocketnn.arith.reference import Plain
from pocketnn.audit.report import Report
from pocketnn.errors import UsageError
from pocketnn.machine import Witness

__all__ = ["Reproducer", "as_test", "as_tests", "shrink"]

_MOVES = ("gather", "transpose", "reshape")  # one value goes from one register into a narrower one


@dataclass(frozen=True, slots=True)
class Reproducer:
    """One op on its smallest operands. name: of the place it comes from. params: its static parameters."""

    name: str
    op: Op
    operands: tuple[Tensor, ...]
    params: tuple[Any, ...]
    to: Register

    def run(self) -> tuple[tuple[int, ...], Flags]:
        """The stored result and its flags, on plain integers."""
        operands: tuple[Any, ...] = tuple(Plain(x.shape, x.items) for x in self.operands)
        if self.op.name == "load":
            operands = (nested(self.operands[0]),)
        value, flags, _ = Reference().apply(self.op, (*operands, *self.params), self.to, self.name)
        return value.items, flags


def shrink(witness: Witness) -> Reproducer:
    """The smallest operands with which the op of a witness still overflows.

    One result element is left, and of a fold (`mac`, `sum`) the fewest terms: those with the sign of the overflow,
    largest first, until they leave the word by themselves. They stay in the order in which they were added.
    """
    op, register = OPS[witness.op], witness.register
    name = re.sub(r"\W+", "_", witness.site).strip("_").lower()
    if op.depth is not None:
        terms = _fewest(op, witness)
        if op.name == "mac":
            operands = (
                Tensor((1, len(terms)), tuple(a for a, _ in terms)),
                Tensor((len(terms), 1), tuple(b for _, b in terms)),
            )
            return Reproducer(name, op, operands, (), register)
        return Reproducer(name, op, (Tensor((len(terms),), tuple(x for (x,) in terms)),), (0,), register)
    (term,) = witness.terms
    if op.name in _MOVES:
        return Reproducer(name, OPS["reshape"], (Tensor((), term),), ((),), register)
    if op.name == "argmax":
        return Reproducer(name, op, (Tensor((len(term),), term),), (), register)
    if op.name == "select":
        count = (len(term) - 2) // 2
        below, choices = term[1 : 1 + count], term[1 + count :]
        operands_of = (Tensor((), term[:1]), Tensor((count,), below), Tensor((count + 1,), choices))
        return Reproducer(name, op, operands_of, (), register)
    return Reproducer(name, op, tuple(Tensor((), (x,)) for x in term), (), register)


def _fewest(op: Op, witness: Witness) -> list[tuple[int, ...]]:
    """Up to the first overflow every value was exact, so the terms of its sign alone leave the word as well."""
    word, narrowing = witness.register.word, witness.narrowing
    seen = list(enumerate(witness.terms[: narrowing.k + 1]))
    sign = 1 if narrowing.exact > 0 else -1
    kept: list[tuple[int, tuple[int, ...]]] = []
    total = 0
    for k, term in sorted(seen, key=lambda entry: -sign * op.exact(*entry[1])):
        kept.append((k, term))
        total += op.exact(*term)
        if not word.lo <= total <= word.hi:
            break
    return [term for _, term in sorted(kept)]


def nested(tensor: Tensor) -> Any:
    """A tensor as nested lists; a single value as an int."""
    if not tensor.shape:
        return tensor.items[0]
    length, rest = tensor.shape[0], tensor.shape[1:]
    size = len(tensor.items) // max(length, 1)
    return [nested(Tensor(rest, tensor.items[i * size : (i + 1) * size])) for i in range(length)]


def as_test(reproducers: Sequence[Reproducer], about: str) -> str:
    """A module of pytest tests, one a reproducer; each passes as long as the overflow is there."""
    used = sorted({reproducer.to.role.name for reproducer in reproducers} | {"HOST"})
    roles = ", ".join(f"{role} = Role.{role}" for role in used)
    head = (
        f'"""The smallest operands that still overflow; found by an audit of {about}.\n\n'
        "Operands are loaded on the host, which has room for them.\n"
        '"""\n\n'
        "from pocketnn.arith import Overflow, Role, Word\n"
        "from pocketnn.machine import Machine, Widths\n\n"
    ) + roles.replace(", ", "\n")
    return "\n\n\n".join([head, *(_test(reproducer) for reproducer in reproducers)]) + "\n"


def as_tests(report: Report) -> str:
    """`as_test` of the first overflow of every failing machine. Raises UsageError if there is none."""
    found = [shrink(outcome.first) for outcome in report.outcomes if outcome.first]
    if not found:
        raise UsageError("no machine overflowed, so there is nothing to reproduce; audit narrower --words")
    return as_test(found, f"{report.subject.name} ({report.subject.description})")


def _test(r: Reproducer) -> str:
    stored, flags = r.run()
    word, mode, role = r.to.word.bits, r.to.overflow, r.to.role.name
    if r.op.name == "load":
        call = f"m.load({nested(r.operands[0])}, {role})"
    else:
        loads = [f"m.load({nested(x)}, HOST)" for x in r.operands]
        call = f"m.{r.op.name}({', '.join([*loads, *map(repr, r.params)])}, to={role})"
    return (
        f"def test_{r.name}_{word}_{mode.value}():\n"
        f"    m = Machine(widths=Widths(Word({word})), overflow=Overflow.{mode.name})\n"
        f"    y = {call}\n"
        f"    assert y.ints().reshape(-1).tolist() == {list(stored)}\n"
        f"    assert m.ledger.flags.events == {flags.events}"
    )
