"""A test vector and its line of text. `traces/vectors/README.md` describes the grammar.

There is one way to write a case. The reader takes a line apart, puts it together again, and refuses what is not the
same, so that files can be compared byte by byte and no other reader needs to know more than this form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from pocketnn.arith import OPS, Flags, Op, Register, Span, Tensor, Word
from pocketnn.errors import DataError, UsageError
from pocketnn.vectors.fields import (
    PARAMS,
    check_fits,
    count,
    range_text,
    read_range,
    read_register,
    read_tensor,
    read_words,
    register_text,
    shape_text,
    tensor_text,
    words_text,
)

__all__ = ["Answer", "Case", "line_of", "parse_line"]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Case:
    """One op on register contents.

    words: the word that each operand is in; empty for `load`, whose operand comes from outside. to: the destination.
    params: the op's static parameters.
    """

    name: str
    op: Op
    operands: tuple[Tensor, ...]
    words: tuple[Word, ...]
    to: Register
    params: tuple[Any, ...] = ()


class Answer(NamedTuple):
    """What a case gives: register contents, flags, and the exact range (None where it was not measured)."""

    result: Tensor
    flags: Flags
    span: Span | None


# --- what came out -----------------------------------------------------------------------------------------


def _answer_text(answer: Answer) -> str:
    result, flags, span = answer
    fields: list[tuple[str, str]] = []
    if span is not None:
        stored = (min(result.items), max(result.items)) if result.items else None
        if (span.lo, span.hi) != stored:
            fields.append(("exact", range_text(span.lo, span.hi)))
        if (span.least, span.most) != (span.lo, span.hi):
            fields.append(("reach", range_text(span.least, span.most)))
    counts = {
        "overflow": (flags.events, 0),
        "elements": (flags.elements, min(flags.events, 1)),
        "transient": (flags.transient, 0),
        "first": (flags.first, 0 if flags.events else -1),
        "vanished": (flags.vanished, 0),
        "zero-division": (flags.zero_divisions, 0),
    }
    fields += [(name, str(value)) for name, (value, default) in counts.items() if value != default]
    shown = [name if value == "1" and name in _FLAGS else f"{name}={value}" for name, value in fields]
    return " ".join([tensor_text(result), *shown])


_FLAGS = ("overflow", "transient", "vanished", "zero-division")
"""Fields whose bare name means 1."""
_FIELDS = ("exact", "reach", "overflow", "elements", "transient", "first", "vanished", "zero-division")


def _answer(tokens: list[str]) -> Answer:
    result = read_tensor(tokens[0])
    fields: dict[str, str] = {}
    for token in tokens[1:]:
        name, equals, value = token.partition("=")
        if name not in _FIELDS or not (equals or name in _FLAGS):
            raise DataError(f"{token[:50]!r} after the result; known are {', '.join(_FIELDS)}")
        fields[name] = value if equals else "1"
    span = None
    if result.items or "exact" in fields:
        stored = f"{min(result.items)}..{max(result.items)}" if result.items else ""
        lo, hi = read_range(fields.get("exact", stored))
        span = Span(lo, hi, *read_range(fields.get("reach", f"{lo}..{hi}")))
    events, transient, vanished, zero_divisions = (count(fields.get(name, "0")) for name in _FLAGS)
    elements = count(fields.get("elements", str(min(events, 1))))
    first = count(fields.get("first", "0")) if events or "first" in fields else -1
    flags = Flags(events, elements, transient, elements - transient, vanished, zero_divisions, first)
    return Answer(result, flags, span)


# --- lines ------------------------------------------------------------------------------------------------


def line_of(case: Case, answer: Answer) -> str:
    """The line of a case and its answer, without the end of line."""
    params = [f"{name}={PARAMS[name][1](value)}" for name, value in zip(case.op.params, case.params, strict=True)]
    operands = [tensor_text(x) for x in case.operands]
    head = [case.name, case.op.name, words_text(case.words), register_text(case.to)]
    return " ".join([*head, *operands, *params, "->", _answer_text(answer)])


def parse_line(line: str) -> tuple[Case, Answer]:
    """The case and the answer on a line.

    Raises DataError that says what is wrong: an unknown op or word, a value that its register cannot hold, shapes that
    do not go together, anything beyond the limits, or a line that is not in the one form that a case has.
    """
    try:
        case, answer = _parse(line.split(" "))
    except UsageError as error:
        raise DataError(str(error)) from error
    again = line_of(case, answer)
    if again != line:
        at = next((i for i, (a, b) in enumerate(zip(again, line, strict=False)) if a != b), min(len(again), len(line)))
        start = max(0, at - 20)
        raise DataError(
            f"column {at + 1}: {line[start : at + 20]!r}; the one way to write it is {again[start : at + 20]!r}"
        )
    return case, answer


def _parse(tokens: list[str]) -> tuple[Case, Answer]:
    if tokens.count("->") != 1 or tokens.index("->") < 5 or tokens[-1] == "->":
        raise DataError("a case is NAME OP WORDS DESTINATION MODE OPERANDS -> RESULT FLAGS, with single spaces")
    arrow = tokens.index("->")
    (name, op_name, in_words, destination, mode), inputs = tokens[:5], tokens[5:arrow]
    if not _NAME.fullmatch(name):
        raise DataError(f"name {name[:50]!r}: lower-case letters, digits, dots and hyphens, at most 64")
    if op_name not in OPS:
        raise DataError(f"unknown op {op_name[:50]!r}; known are {', '.join(OPS)}")
    op = OPS[op_name]
    if len(inputs) != op.arity + len(op.params):
        raise DataError(f"{op.name} takes {' '.join([f'{op.arity} operands', *op.params])}; found {len(inputs)} fields")
    words, to = read_words(in_words, op), read_register(destination, mode)
    operands = tuple(map(read_tensor, inputs[: op.arity]))
    for operand, word in zip(operands, words, strict=op.name != "load"):
        check_fits(operand, word)
    params = []
    for param, text in zip(op.params, inputs[op.arity :], strict=True):
        if not text.startswith(f"{param}="):
            raise DataError(f"{text[:50]!r} where {param}= belongs")
        params.append(PARAMS[param][0](text.removeprefix(f"{param}=")))
    answer = _answer(tokens[arrow + 1 :])
    shape = op.shape(tuple(x.shape for x in operands), tuple(params))
    if shape != answer.result.shape:
        raise DataError(
            f"the result has shape {shape_text(answer.result.shape)}; these operands give {shape_text(shape)}"
        )
    check_fits(answer.result, to.word)
    return Case(name, op, operands, words, to, tuple(params)), answer
