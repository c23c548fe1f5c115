"""Shrunk reproducers: the smallest operands with which a seen overflow still happens, as tests and vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pocketnn.arith import OPS, Op, Reference, Tensor, Word
from pocketnn.audit.report import Report
from pocketnn.errors import UsageError
from pocketnn.ledger import Witness
from pocketnn.vectors import Case, document, run

__all__ = ["as_test", "as_vectors", "reproducers", "shrink"]

_MOVES = ("gather", "transpose", "reshape")  # one value goes from one register into a narrower one
_WORDS = (8, 16, 32, 48)


def reproducers(report: Report) -> list[Case]:
    """The shrunk first overflow of every failing machine. Raises UsageError if there is none."""
    found = {case.name: case for case in (shrink(o.first) for o in report.outcomes if o.first)}
    if not found:
        raise UsageError("no machine overflowed, so there is nothing to reproduce; audit narrower --words")
    return list(found.values())


def shrink(witness: Witness) -> Case:
    """The smallest operands with which the op of a witness still overflows.

    One result element is left, and of a fold (`mac`, `sum`) the fewest terms: those with the sign of the overflow,
    largest first, until they leave the word by themselves. They stay in the order in which they were added.
    """
    op, to = OPS[witness.op], witness.register
    operands: tuple[Tensor, ...]
    params: tuple[Any, ...] = ()
    term = witness.terms[0]
    if op.name == "mac":
        a, b = zip(*_fewest(op, witness), strict=True)
        operands = (Tensor((1, len(a)), a), Tensor((len(b), 1), b))
    elif op.name == "sum":
        (x,) = zip(*_fewest(op, witness), strict=True)
        operands, params = (Tensor((len(x),), x),), (0,)
    elif op.name in _MOVES:
        op, operands, params = OPS["reshape"], (Tensor((), term),), ((),)
    elif op.name == "argmax":
        operands = (Tensor((len(term),), term),)
    elif op.name == "select":
        count = (len(term) - 2) // 2
        operands = (
            Tensor((), term[:1]),
            Tensor((count,), term[1 : 1 + count]),
            Tensor((count + 1,), term[1 + count :]),
        )
    else:
        operands = tuple(Tensor((), (x,)) for x in term)
    words = () if op.name == "load" else tuple(map(_word, operands))
    site = re.sub(r"[^a-z0-9.]+", "-", witness.site.lower()).strip("-.")[:36] or "site"
    return Case(f"{site}-{to.role.value}-i{to.word.bits}-{to.overflow.value}", op, operands, words, to, params)


def _word(operand: Tensor) -> Word:
    """The C type that holds an operand."""
    need = Word.holding(min(operand.items), max(operand.items))
    return Word(next(bits for bits in _WORDS if need <= bits))


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


def as_vectors(cases: Sequence[Case], about: str) -> str:
    """The cases as a file of text vectors, which any implementation can be held against."""
    title = f"The smallest operands that still overflow; found by an audit of {_line(about)}."
    return document([(title, [(case, run(case, Reference())) for case in cases])])


def as_test(cases: Sequence[Case], about: str) -> str:
    """A module of pytest tests, one a case; each passes as long as the overflow is there."""
    roles = sorted({case.to.role.name for case in cases} | {"HOST"})
    about = _line(about).replace("\\", "\\\\").replace('"', "'")
    head = (
        f'"""The smallest operands that still overflow; found by an audit of\n{about}.\n\n'
        "Operands are loaded on the host, which has room for them.\n"
        '"""\n\n'
        "from pocketnn.arith import Overflow, Role, Word\n"
        "from pocketnn.machine import Machine, Widths\n\n"
    ) + "\n".join(f"{role} = Role.{role}" for role in roles)
    return "\n\n\n".join([head, *map(_test, cases)]) + "\n"


def _test(case: Case) -> str:
    answer = run(case, Reference())
    word, mode, role = case.to.word.bits, case.to.overflow, case.to.role.name
    if case.op.name == "load":
        call = f"m.load({_nested(case.operands[0])}, {role})"
    else:
        loads = [f"m.load({_nested(x)}, HOST)" for x in case.operands]
        call = f"m.{case.op.name}({', '.join([*loads, *map(repr, case.params)])}, to={role})"
    return (
        f"def test_{re.sub('[-.]', '_', case.name)}():\n"
        f"    m = Machine(widths=Widths(Word({word})), overflow=Overflow.{mode.name})\n"
        f"    y = {call}\n"
        f"    assert y.ints().reshape(-1).tolist() == {list(answer.result.items)}\n"
        f"    assert m.ledger.flags.events == {answer.flags.events}"
    )


def _nested(tensor: Tensor) -> Any:
    """A tensor of at most two axes as nested lists; a single value as an int."""
    if not tensor.shape:
        return tensor.items[0]
    if len(tensor.shape) == 1:
        return list(tensor.items)
    columns = tensor.shape[1]
    return [list(tensor.items[start : start + columns]) for start in range(0, len(tensor.items), columns)]


def _line(text: str) -> str:
    """Text from outside as one line of printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in " ".join(text.split()))
