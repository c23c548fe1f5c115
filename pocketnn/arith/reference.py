"""Reference backend: every op element by element on plain Python integers. Slow, and the truth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pocketnn.arith.backend import Backend, Integers, Outcome, as_integers, check_taken
from pocketnn.arith.flags import CLEAN, Flags, Span, add_flags, merge_spans
from pocketnn.arith.ops import Op, Tensor
from pocketnn.arith.word import Register, Role, fit

__all__ = ["Narrowing", "Plain", "Reference", "narrowings", "plain"]


class Narrowing(NamedTuple):
    """One value entering a register.

    k: position in the fold (0 for ops that do not fold). stage: "product", "sum" or "result".
    operands: what was multiplied, added or otherwise combined. before: the accumulator before it.
    exact: the unbounded result of that one operation on register values. stored: what the register holds.
    """

    k: int
    stage: str
    operands: tuple[int, ...]
    before: int
    exact: int
    stored: int


def narrowings(op: Op, args: tuple[Any, ...], index: tuple[int, ...], to: Register) -> Iterator[Narrowing]:
    """Every register operation behind result element `index`, in the order in which it happens.

    Overflow: each `stored` is `fit(exact)`; the accumulator carries stored values, never exact ones. A division
    by zero stores the word's MAX. args: Tensors, then static parameters (design: section 3, items 1 to 3).
    """
    if op.depth is None:
        (term,) = op.terms(args, index)
        try:
            exact = op.exact(*term)
        except ZeroDivisionError:
            exact = to.word.hi
        yield Narrowing(0, "result", term, 0, exact, fit(exact, to.word, to.overflow))
        return
    accumulator = 0
    for k, term in enumerate(op.terms(args, index)):
        value = op.exact(*term)
        if op.rounds == 2:
            stored = fit(value, to.word, to.overflow)
            yield Narrowing(k, "product", term, accumulator, value, stored)
            value = stored
        exact = accumulator + value
        stored = fit(exact, to.word, to.overflow)
        yield Narrowing(k, "sum", term, accumulator, exact, stored)
        accumulator = stored


@dataclass(frozen=True, slots=True)
class Plain(Tensor):
    """A Tensor as a backend's value: with `size` and `ints`."""

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.items)

    def ints(self, dtype: Any = np.int64) -> Integers:
        """The elements as integers; see Values."""
        return np.array(self.items, dtype).reshape(self.shape)

    def numbers(self) -> Integers:
        """The elements as they are kept; see Values."""
        return self.ints()


def plain(outside: object) -> Plain:
    """Integers from outside as plain Python integers. Raises DataError for anything else."""
    array = as_integers(outside)
    return Plain(array.shape, tuple(int(x) for x in array.reshape(-1).tolist()))


class Reference(Backend):
    """Plain Python integers, one register operation after the other; always measures spans."""

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op` by its definition in the table; see Backend.apply."""
        if op.name == "load":
            args = (plain(args[0]),)
        operands, params = args[: op.arity], args[op.arity :]
        check_taken(self, operands, site)  # an index table has items too, but they were never narrowed
        shape = op.shape(tuple(x.shape for x in operands), params)
        flags, span, items = CLEAN, None, []
        for flat, index in enumerate(itertools.product(*map(range, shape))):
            stored, element, reach = _element(op, args, index, to)
            items.append(stored)
            if element.events and flags.first < 0:
                flags = flags._replace(first=flat)
            flags = add_flags(flags, element)
            span = merge_spans(span, reach)
        return Outcome(Plain(shape, tuple(items)), flags, span)

    def takes(self, value: object) -> bool:
        """Values of this backend."""
        return isinstance(value, Plain)


def _element(op: Op, args: tuple[Any, ...], index: tuple[int, ...], to: Register) -> tuple[int, Flags, Span]:
    """One result element: what is stored, its flags as if it were alone, and its exact range."""
    stored = events = 0
    for step in narrowings(op, args, index, to):
        events += step.exact != step.stored
        stored = step.stored
    terms = list(op.terms(args, index))
    vanished = zero_divisions = 0
    if op.name == "div" and terms[0][1] == 0:
        values, zero_divisions = [to.word.hi], 1
    else:
        values = [op.exact(*term) for term in terms]
    exact = sum(values)
    if op.name == "div" and to.role is Role.UPDATE:
        vanished = int(terms[0][0] != 0 and exact == 0)
    corrupted = int(stored != exact)
    touched = int(events > 0)
    flags = Flags(events, touched, touched - corrupted, corrupted, vanished, zero_divisions)
    if op.depth is None:
        return stored, flags, Span(exact, exact, exact, exact)
    negative, positive = sum(v for v in values if v < 0), sum(v for v in values if v > 0)
    return stored, flags, Span(exact, exact, negative, positive)
