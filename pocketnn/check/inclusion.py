"""Inclusion, step by step: whatever integers lie in the ranges of the operands, the exact result lies in the range that
the certificate claims for it, and in the register that it goes to. Of a sum, every product and every partial sum in the
stated order lies in the register too. Then nothing can overflow in these steps, by induction over them.

Ranges may be given case by case. A partition tells the cases of a value apart: the pieces of an if-else ladder on
which an operand lies, one per element, or which of several rows a row is. All cases are verified; a value that is its
own ladder's operand is cut to the piece, which is what the comparison says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pocketnn.arith.ops import OPS, Tensor
from pocketnn.check import meanings
from pocketnn.check.meanings import Bounds
from pocketnn.check.value import Case, Value

__all__ = ["Inclusion", "parameters_of"]

_MOST_CASES = 1 << 20  # of one step; beyond that, a file asks for nothing but time


class Inclusion:
    """The steps of a certificate. values: what they claim. reach: per fold, the least and greatest sum in any order."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.machine = data["machine"]
        self.steps: list[Any] = data["steps"]
        self.partitions: list[Any] = data["partitions"]
        counts = [partition["count"] for partition in self.partitions]
        self.values: list[Value] = []
        self.reach: dict[int, Bounds] = {}
        for number, step in enumerate(self.steps):
            try:
                self.values.append(Value(step, counts))
            except (TypeError, ValueError) as error:
                raise ValueError(f"step {number}, {step['site']}: {error}") from error

    def faults(self) -> Iterator[str]:
        """Everything that is wrong with the steps."""
        used = {key for value in self.values for key in value.keys}
        for number, partition in enumerate(self.partitions):
            if number not in used:
                yield f"partition {number}: it tells nothing apart"
            pieces = partition["pieces"]
            if pieces and (partition["by_row"] or partition["count"] != len(self._ladder(pieces["below"])) + 1):
                yield f"partition {number}: the pieces of a ladder are told apart by element, one more than its bounds"
        for number, step in enumerate(self.steps):
            for fault in itertools.islice(self._step(number, step), 3):  # the first few tell enough
                yield f"step {number}, {step['site']} ({step['op']}): {fault}"

    # --- one step ----------------------------------------------------------------------------------------------

    def _step(self, number: int, step: Any) -> Iterator[str]:
        result, op = self.values[number], step["op"]
        if op not in meanings.UNDERSTOOD:
            yield "the checker does not know this op"
            return
        if len(step["args"]) != (0 if op == "load" else OPS[op].arity):
            yield "it has not as many operands as its op"
            return
        if any(type(arg) is not int or not 0 <= arg < number for arg in step["args"]):
            yield "an operand comes from a later step"
            return
        word = self.machine["roles"].get(step["role"], self.machine["word"])
        if (step["word"], step["overflow"]) != (word, self.machine["overflow"]):
            yield f"its register is {step['word']} {step['overflow']}, the machine's {word} {self.machine['overflow']}"
        self.floor, self.ceiling = -(1 << (word - 1)), (1 << (word - 1)) - 1
        if op == "load":
            if None in result.lo or not all(self.partitions[key]["by_row"] for key in result.keys):
                yield "an assumption must be possible, and tell apart nothing but rows"
            else:
                yield from self._narrow([*result.lo, *result.hi])
            return
        args, params = [self.values[arg] for arg in step["args"]], parameters_of(step)
        if OPS[op].shape(tuple(x.shape for x in args), params) != result.shape:
            yield f"its shape is not {result.shape}"
        elif op in meanings.FOLDS:
            yield from self._fold(number, op, args, params, result)
        elif op == "argmax":
            yield from self._argmax(args[0], result)
        elif op in meanings.MOVES and not (op == "reshape" and args[0].shape == result.shape):
            yield from self._moves(op, args[0], params, result)
        else:
            yield from self._elements(step, args, result)

    def _narrow(self, values: list[int]) -> Iterator[str]:
        """Whether exact values stay in the register."""
        if values and not (self.floor <= min(values) and max(values) <= self.ceiling):
            yield f"{min(values)}..{max(values)} does not fit its register"

    def _claimed(self, result: Value, index: tuple[int, ...], case: Case, exact: list[int]) -> Iterator[str]:
        """Whether exact values stay in the register and in the range claimed for them."""
        yield from self._narrow(exact)
        claim = result.at(index, case)
        if exact and (claim is None or min(exact) < claim[0] or claim[1] < max(exact)):
            yield f"element {list(index)} can be in {min(exact)}..{max(exact)}, which {claim} does not cover"

    def _cases(self, values: list[Value]) -> Iterator[Case]:
        keys = sorted({key for value in values for key in value.keys})
        counts = [self.partitions[key]["count"] for key in keys]
        if math.prod(counts) > _MOST_CASES:
            raise ValueError(f"{math.prod(counts)} cases in one step")
        for chosen in itertools.product(*map(range, counts)):
            yield dict(zip(keys, chosen, strict=True))

    # --- ops on elements -----------------------------------------------------------------------------------------

    def _elements(self, step: Any, args: list[Value], result: Value) -> Iterator[str]:
        """Ops that combine elements at the same place, in every case. A `reshape` to the same shape moves none."""
        op = step["op"]
        operands = args[:1] if op == "select" else args
        kind, related = self._related(step)
        others = [self.values[number] for number in related]
        rank = len(result.own)
        axes = [(1,) * (rank - len(v.own)) + v.own for v in (*operands, *others, result)]
        for case in self._cases([*operands, *others, result]):
            for index in itertools.product(*(range(max(lengths)) for lengths in zip(*axes, strict=True))):
                box = [self._cut(number, index, case) for number in (*step["args"][: len(operands)], *related)]
                ranges = [bounds for bounds in box if bounds is not None]
                if len(ranges) < len(box):  # no such case
                    continue
                if op == "div" and ranges[1][0] <= 0 <= ranges[1][1]:
                    yield f"element {list(index)} can be divided by zero"
                    continue
                if op == "select":
                    choices = [args[2].at((i,), case) or (0, 0) for i in range(args[2].shape[0])]
                    exact = meanings.on_ladder(ranges[0], self._ladder(step["args"][1]), choices)
                elif op == "reshape":
                    exact = list(ranges[0])
                elif kind == "square":
                    exact = meanings.squares(ranges[0])
                else:
                    exact = meanings.at_corners(op, ranges[: len(operands)])
                if kind in ("multiple", "remainder"):
                    known = ranges[-1]
                    lo, hi = meanings.multiple(known) if kind == "multiple" else meanings.remainder(ranges[0], known)
                    exact = [max(min(exact), lo), min(max(exact), hi)]
                yield from self._claimed(result, index, case, exact)

    def _cut(self, number: int, index: tuple[int, ...], case: Case) -> Bounds | None:
        """An operand's range; on the piece that `case` names where it is what a ladder compares."""
        found = self.values[number].at(index, case)
        for key, which in case.items():
            pieces = self.partitions[key]["pieces"]
            if found and pieces and pieces["of"] == number:
                below = self._ladder(pieces["below"])
                lo = max([found[0], *below[:which]])
                hi = min([found[1], *(b - 1 for b in below[which : which + 1])])
                found = (lo, hi) if lo <= hi else None
        return found

    def _ladder(self, number: int) -> list[int]:
        """The bounds of a ladder, which must be known."""
        value = self.values[number]
        if value.keys or value.lo != value.hi or len(value.shape) != 1:
            raise ValueError(f"step {number}: the bounds of a ladder are not constants")
        return [value.lo[i if len(value.lo) > 1 else 0] for i in range(value.shape[0])]

    def _related(self, step: Any) -> tuple[str, tuple[int, ...]]:
        """Operands that come from the same values: which relation it is, and the step that matters besides."""
        op, args = step["op"], step["args"]
        if op == "mul" and args[0] == args[1]:
            return "square", ()
        for q, d in (args, args[::-1]) if op == "mul" else ():
            if self.steps[q]["op"] == "div" and self.steps[q]["args"][1] == d:
                return "multiple", (self.steps[q]["args"][0],)
        if op == "sub":
            a, p = args
            for q, d in (self.steps[p]["args"], self.steps[p]["args"][::-1]) if self.steps[p]["op"] == "mul" else ():
                if self.steps[q]["op"] == "div" and self.steps[q]["args"] == [a, d]:
                    return "remainder", (d,)
        return "", ()

    # --- ops on rows and matrices --------------------------------------------------------------------------------

    def _fold(self, number: int, op: str, args: list[Value], params: tuple[Any, ...], result: Value) -> Iterator[str]:
        """`mac` and `sum`: terms in order, each product and each partial sum in its register."""
        a, product = args[0], op == "mac"
        axis = 1 if product else params[0]
        along_rows = all(self.partitions[key]["by_row"] for key in result.keys) and len(a.shape) == 2 and axis == 1
        if result.keys and not (along_rows and set(result.keys) <= set(a.keys)):
            yield "elements of different cases are added up"
        if product:
            b = args[1]
            outer = [max(a.own[0], result.own[0]), max(b.own[1], result.own[1])]
        else:
            outer = [max(n, m) if i != axis else 1 for i, (n, m) in enumerate(zip(a.own, result.own, strict=True))]
        alike = a.own[axis] == 1 and (not product or b.own[0] == 1)  # then all terms have the same range
        depth = a.shape[axis]
        times = depth if alike else 1  # equal terms add up in one direction: the last partial sum is the worst
        for case in self._cases([result]):
            for index in itertools.product(*map(range, outer)):
                lo = hi = least = most = 0
                for k in range(min(depth, 1) if alike else depth):
                    left = a.at((*index[:axis], k, *index[axis + 1 :]), case) or (0, 0)
                    term = list(left)
                    if product:
                        term = meanings.at_corners(op, [left, b.at((k, index[1]), {}) or (0, 0)])
                        yield from self._narrow(term)
                    lo, hi = lo + min(term), hi + max(term)
                    least, most = least + min(*term, 0), most + max(*term, 0)
                    yield from self._narrow([lo, hi])
                known = self.reach.get(number, (0, 0))
                self.reach[number] = min(known[0], least * times), max(known[1], most * times)
                yield from self._claimed(result, index, case, [lo * times, hi * times])

    def _argmax(self, x: Value, result: Value) -> Iterator[str]:
        for index in itertools.product(*map(range, x.own[:-1])):
            row = [x.at((*index, k), {}) or (0, 0) for k in range(x.shape[-1])]
            yield from self._claimed(result, index, {}, meanings.winners(row))

    def _moves(self, op: str, x: Value, params: tuple[Any, ...], result: Value) -> Iterator[str]:
        """Ops that only move elements; cases of single elements do not go with them."""
        if result.keys:
            yield "cases do not move with elements"
        lengths = result.shape
        if op == "transpose":  # along an axis on which neither side differs, one look is enough
            lengths = tuple(max(x.own[axis], n) for axis, n in zip(params[0], result.own, strict=True))
        for index in itertools.product(*map(range, lengths)):
            source = meanings.source_of(op, index, x.shape, result.shape, params[0])
            moved = (0, 0) if source is None else x.at(source, {}) or (0, 0)
            yield from self._claimed(result, index, {}, list(moved))


def parameters_of(step: Mapping[str, Any]) -> tuple[Any, ...]:
    """A step's static parameters, as the op table takes them."""
    listed = [Tensor(tuple(p["shape"]), tuple(p["items"])) if isinstance(p, dict) else p for p in step["params"]]
    return tuple(tuple(p) if isinstance(p, list) else p for p in listed)
