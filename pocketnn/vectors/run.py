"""Running test vectors on a backend, and saying in words where it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pocketnn.arith import OPS, Backend, Flags, Reference, Register, Role, Span, Tensor, Vector, measured
from pocketnn.vectors.files import read
from pocketnn.vectors.text import Answer, Case

__all__ = ["VECTOR_BACKENDS", "FileResult", "check_file", "difference", "run"]

VECTOR_BACKENDS: dict[str, Callable[[], Backend]] = {
    "reference": Reference,
    "vector": Vector,
    "vector-measured": lambda: Vector(measure=True),
}
"""The backends on which vectors are run; the second does not measure exact ranges, so those are compared on two."""


def run(case: Case, backend: Backend) -> Answer:
    """What `case` gives on `backend`; overflow is whatever the destination register does."""
    args = tuple(np.array(x.items, dtype=object).reshape(x.shape) for x in case.operands)
    if case.op.name != "load":
        registers = [Register(Role.INPUT, word) for word in case.words]
        args = tuple(
            backend.apply(OPS["load"], (array,), to, f"{case.name}.operand").value
            for array, to in zip(args, registers, strict=True)
        )
    outcome = backend.apply(case.op, (*args, *case.params), case.to, case.name)
    value = outcome.value
    return Answer(
        Tensor(tuple(value.shape), tuple(value.ints().reshape(-1).tolist())), outcome.flags, measured(outcome)
    )


def difference(expected: Answer, got: Answer) -> str | None:
    """The first difference in words, values before flags before exact ranges; None if there is none."""
    if got.result.shape != expected.result.shape:
        return f"the file has shape {expected.result.shape}, computed was {got.result.shape}"
    for flat, (theirs, ours) in enumerate(zip(expected.result.items, got.result.items, strict=True)):
        if theirs != ours:
            index = [int(i) for i in np.unravel_index(flat, expected.result.shape)]
            return f"element {index}: the file says {theirs}, computed is {ours}"
    reported: list[tuple[str, object, object]] = list(zip(Flags._fields, expected.flags, got.flags, strict=True))
    if got.span is not None:  # None: not measured
        names = (f"exact {name}" for name in Span._fields)
        reported += zip(names, expected.span or [None] * len(got.span), got.span, strict=True)
    return next((f"{name}: the file says {a}, computed is {b}" for name, a, b in reported if a != b), None)


@dataclass(frozen=True, slots=True)
class FileResult:
    """A file of vectors on one backend: how many cases it has, how many differ, and the first that does, in words."""

    file: str
    backend: str
    cases: int
    differing: int
    difference: str | None


def check_file(path: Path, backends: Mapping[str, Callable[[], Backend]] = VECTOR_BACKENDS) -> Iterator[FileResult]:
    """Run every case of a file on each backend. Raises DataError as `read` does."""
    made = {name: make() for name, make in backends.items()}
    differing, firsts = dict.fromkeys(made, 0), dict[str, str]()
    count = 0
    for number, case, expected in read(path):
        count += 1
        for name, backend in made.items():
            found = difference(expected, run(case, backend))
            if found:
                differing[name] += 1
                firsts.setdefault(name, f"line {number}, {case.name}: {found}")
    for name in made:
        yield FileResult(str(path), name, count, differing[name], firsts.get(name))
