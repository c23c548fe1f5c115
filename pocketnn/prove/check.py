"""An independent checker of certificates: `python -m pocketnn.prove.check FILE [WEIGHTS]`.

It shares no code with the prover. Of pocketnn it uses the op table alone: what each op's exact value is for given
integers (`exact`) and which shape its result has (`shape`). What it verifies, step by step, is one inclusion: whatever
integers lie in the ranges of the operands, the exact result lies in the range that the certificate claims for it, and
in the register that it goes to; of a sum, every product and every partial sum in the stated order lies in the register
too. Then nothing can overflow, by induction over the steps. In a training certificate the ranges after the step must
also lie within those before it; then nothing can overflow in any number of steps.

How an inclusion is verified: apart from `div` at a divisor of 0, `select` at its bounds and `argmax`, every op is
monotone in each operand while the others are fixed, so its extremes over a box are at the box's corners. `div` is
monotone on either side of 0, `select` is constant between its bounds. So a few points decide (`claims.points`).

Ranges may be given case by case. A partition tells the cases of a value apart: the pieces of an if-else ladder on
which an operand lies, one per element, or which of several rows a row is. All cases are verified; a value that is its
own ladder's operand is cut to the piece, which is what the comparison says.

What it cannot know: whether the steps are the program that runs. They are what pocketnn's network code did when run on
ranges; `load` steps are the assumptions (constants, inputs, weights), to be compared with the claim by eye, and with
WEIGHTS by this program where a file is given.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pocketnn.arith.ops import OPS, Tensor
from pocketnn.prove.claims import Case, Claim, part, points, rest, source_of

__all__ = ["check", "main"]

_MOVES = ("gather", "transpose", "reshape")


class _Checker:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.steps: list[Any] = data["steps"]
        self.partitions = data["partitions"]
        counts = [partition["count"] for partition in self.partitions]
        self.values: list[Claim] = []
        for number, step in enumerate(self.steps):
            try:
                self.values.append(Claim(step, counts))
            except (TypeError, ValueError) as error:
                raise ValueError(f"step {number}, {step['site']}: {error}") from error

    # --- one step ----------------------------------------------------------------------------------------------

    def step(self, number: int) -> Iterator[str]:
        """Faults of one step."""
        step, result = self.steps[number], self.values[number]
        if any(not 0 <= arg < number for arg in step["args"]):
            yield "an operand comes from a later step"
            return
        machine = self.data["machine"]
        word = machine["roles"].get(step["role"], machine["word"])
        if word != step["word"]:
            yield f"its register has {step['word']} bits, the machine's {step['role']} registers {word}"
        self.floor, self.ceiling = -(1 << (word - 1)), (1 << (word - 1)) - 1
        if step["op"] == "load":
            if None in result.lo or not all(self.partitions[key]["by_row"] for key in result.keys):
                yield "an assumption must be possible, and tell apart nothing but rows"
            else:
                yield from self._narrow([*result.lo, *result.hi])
            return
        args = [self.values[arg] for arg in step["args"]]
        params = [Tensor(tuple(p["shape"]), tuple(p["items"])) if isinstance(p, dict) else p for p in step["params"]]
        params = [tuple(p) if isinstance(p, list) else p for p in params]
        if OPS[step["op"]].shape(tuple(x.shape for x in args), tuple(params)) != result.shape:
            yield f"its shape is not {result.shape}"
            return
        verify = {"mac": self._fold, "sum": self._fold, "argmax": self._argmax}.get(step["op"], self._elements)
        if step["op"] in _MOVES and not (step["op"] == "reshape" and args[0].shape == result.shape):
            verify = self._moves
        yield from itertools.islice(verify(step, args, params, result), 3)  # the first few tell enough

    def _narrow(self, values: list[int]) -> Iterator[str]:
        """Whether exact values stay in the register."""
        if values and not (self.floor <= min(values) and max(values) <= self.ceiling):
            yield f"{min(values)}..{max(values)} does not fit its register"

    def _claimed(self, result: Claim, index: tuple[int, ...], case: Case, exact: list[int]) -> Iterator[str]:
        """Whether exact values stay in the register and in the range claimed for them."""
        yield from self._narrow(exact)
        claim = result.at(index, case)
        if exact and (claim is None or min(exact) < claim[0] or claim[1] < max(exact)):
            yield f"element {list(index)} can be in {min(exact)}..{max(exact)}, which {claim} does not cover"

    def _cases(self, values: list[Claim]) -> Iterator[Case]:
        keys = sorted({key for value in values for key in value.keys})
        for chosen in itertools.product(*(range(self.partitions[key]["count"]) for key in keys)):
            yield dict(zip(keys, chosen, strict=True))

    # --- ops on elements -----------------------------------------------------------------------------------------

    def _elements(self, step: Any, args: list[Claim], params: list[Any], result: Claim) -> Iterator[str]:
        """Ops that combine elements at the same place, in every case."""
        operands = args[:1] if step["op"] == "select" else args
        ladder = [self._known(value) for value in args[1:2]] if step["op"] == "select" else []
        related = self._related(step)
        others = [self.values[i] for i in related[1:]] if related else []
        rank = len(result.own)
        axes = [(1,) * (rank - len(v.own)) + v.own for v in (*operands, *others, result)]
        for case in self._cases([*operands, *others, result]):
            for index in itertools.product(*(range(max(lengths)) for lengths in zip(*axes, strict=True))):
                term = [self._cut(i, index, case) for i in (*step["args"][: len(operands)], *related[1:])]
                if None in term:
                    continue
                ranges: list[tuple[int, int]] = term  # type: ignore[assignment]  # None is excluded above
                if step["op"] == "div" and ranges[1][0] <= 0 <= ranges[1][1]:
                    yield f"element {list(index)} can be divided by zero"
                    continue
                if step["op"] == "select":
                    exact = self._selected(ranges[0], ladder[0], args[2], case)
                else:
                    exact = [OPS[step["op"]].exact(*p) for p in points(step, ranges[: len(operands)])]
                if related and others:
                    lo, hi = rest(ranges) if related[0] == "remainder" else part(ranges)
                    exact = [max(min(exact), lo), min(max(exact), hi)]
                yield from self._claimed(result, index, case, exact)

    def _cut(self, number: int, index: tuple[int, ...], case: Case) -> tuple[int, int] | None:
        """An operand's range; on the piece that `case` names where it is what a ladder compares."""
        found = self.values[number].at(index, case)
        for key, which in case.items():
            pieces = self.partitions[key]["pieces"]
            if found and pieces and pieces["of"] == number:
                below = self._known(self.values[pieces["below"]])
                lo = max([found[0], *below[:which]])
                hi = min([found[1], *(b - 1 for b in below[which : which + 1])])
                found = (lo, hi) if lo <= hi else None
        return found

    def _known(self, value: Claim) -> list[int]:
        """The bounds of a ladder, which must be constants."""
        if value.keys or value.lo != value.hi:
            raise ValueError("the bounds of a ladder are not constants")
        return [value.lo[i if len(value.lo) > 1 else 0] for i in range(value.shape[0])]

    def _selected(self, x: tuple[int, int], below: list[int], choices: Claim, case: Case) -> list[int]:
        points = {x[0], x[1], *(p for b in below for p in (b - 1, b) if x[0] <= p <= x[1])}
        ends = [choices.at((i,), case) or (0, 0) for i in range(len(below) + 1)]
        return [OPS["select"].exact(p, *below, *(e[side] for e in ends)) for p in points for side in (0, 1)]

    def _related(self, step: Any) -> tuple[Any, ...]:
        """Operands from the same values: q * d with q = a / d lies between 0 and a, and a - q * d is a remainder.
        Gives the kind and the steps that matter besides the operands."""
        for q, d in (step["args"], step["args"][::-1]) if step["op"] == "mul" else ():
            if self.steps[q]["op"] == "div" and self.steps[q]["args"][1] == d:
                return "multiple", self.steps[q]["args"][0]
        if step["op"] == "sub":
            a, p = step["args"]
            for q, d in (self.steps[p]["args"], self.steps[p]["args"][::-1]) if self.steps[p]["op"] == "mul" else ():
                if self.steps[q]["op"] == "div" and self.steps[q]["args"] == [a, d]:
                    return "remainder", d
        return ()

    # --- ops on rows and matrices --------------------------------------------------------------------------------

    def _fold(self, step: Any, args: list[Claim], params: list[Any], result: Claim) -> Iterator[str]:
        """`mac` and `sum`: terms in order, each product and each partial sum in its register."""
        a, product = args[0], step["op"] == "mac"
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
        for case in self._cases([result]):
            for index in itertools.product(*map(range, outer)):
                lo = hi = 0
                for k in range(min(depth, 1) if alike else depth):
                    left = a.at((*index[:axis], k, *index[axis + 1 :]), case) or (0, 0)
                    term = list(left)
                    if product:
                        right = b.at((k, index[1]), {}) or (0, 0)
                        term = [OPS["mac"].exact(x, y) for x in left for y in right]
                        yield from self._narrow(term)
                    lo, hi = lo + min(term), hi + max(term)
                    yield from self._narrow([lo, hi])
                times = depth if alike else 1  # equal terms add up in one direction: the last partial sum is the worst
                yield from self._claimed(result, index, case, [lo * times, hi * times])

    def _argmax(self, step: Any, args: list[Claim], params: list[Any], result: Claim) -> Iterator[str]:
        """An index can win if it does when its element is as great and all others are as small as they can be."""
        (x,) = args
        for index in itertools.product(*map(range, x.own[:-1])):
            row = [x.at((*index, k), {}) or (0, 0) for k in range(x.shape[-1])]
            lows = [lo for lo, _ in row]
            tried = [[*lows[:i], hi, *lows[i + 1 :]] for i, (_, hi) in enumerate(row)]
            winners = [i for i, values in enumerate(tried) if OPS["argmax"].exact(*values) == i]
            yield from self._claimed(result, index, {}, winners)

    def _moves(self, step: Any, args: list[Claim], params: list[Any], result: Claim) -> Iterator[str]:
        """Ops that only move elements; cases of single elements do not go with them."""
        (x,) = args
        if result.keys:
            yield "cases do not move with elements"
        lengths = result.shape
        if step["op"] == "transpose":  # along an axis on which neither side differs, one look is enough
            lengths = tuple(max(x.own[axis], n) for axis, n in zip(params[0], result.own, strict=True))
        for index in itertools.product(*map(range, lengths)):
            source = source_of(step["op"], index, x.shape, result.shape, params[0])
            moved = (0, 0) if source is None else x.at(source, {}) or (0, 0)
            yield from self._claimed(result, index, {}, list(moved))

    # --- the whole -----------------------------------------------------------------------------------------------

    def faults(self, parameters: Mapping[str, Any] | None) -> Iterator[str]:
        """Everything that is wrong with the certificate."""
        if not self.data["proved"] or not self.steps:
            yield "it does not claim to prove anything"
            return
        if any(partition["by_row"] and partition["pieces"] for partition in self.partitions):
            yield "the pieces of a ladder are told apart by element, not by row"
        for number, step in enumerate(self.steps):
            for fault in self.step(number):
                yield f"step {number}, {step['site']} ({step['op']}): {fault}"
        for kept in self.data["invariants"]:
            yield from self._invariant(kept)
        if self.data["kind"] == "training" and not self.data["invariants"]:
            yield "a training certificate without invariants"
        yield from self._leaves(parameters or {})

    def _invariant(self, kept: Any) -> Iterator[str]:
        """What holds before a step must be assumed there, of every element alike, and hold again after it."""
        before, after = self.values[kept["before"]], self.values[kept["after"]]
        alike = len(set(before.lo)) == len(set(before.hi)) == 1 and not before.keys
        found = [x for x in (*after.lo, *after.hi) if x is not None]
        site = self.steps[kept["before"]]
        if site["op"] != "load" or not alike or before.shape != after.shape:
            yield f"{kept['name']}: what holds before the step is no assumption that is the same for all elements"
        elif min(found) < before.lo[0] or max(found) > before.hi[0]:
            yield f"{kept['name']}: {min(found)}..{max(found)} after a step, {before.lo[0]}..{before.hi[0]} before it"

    def _leaves(self, parameters: Mapping[str, Any]) -> Iterator[str]:
        """Whether the parameters of a trained network lie within what the steps assume of them."""
        loads = {step["site"]: self.values[i] for i, step in enumerate(self.steps) if step["op"] == "load"}
        for name, matrix in parameters.items():
            layer, kind = name.split("_")
            value = next(
                (v for site, v in loads.items() if site in (f"{layer}.load_{kind}", f"{layer}.norm.load_{kind}")), None
            )
            if value is None or value.shape != (len(matrix), len(matrix[0])):
                yield f"{name}: not what the certificate is about"
                continue
            for i, row in enumerate(matrix):
                for j, number in enumerate(row):
                    lo, hi = value.at((i, j), {}) or (0, -1)
                    if not lo <= number <= hi:
                        yield f"{name}[{i}, {j}] is {number}, the certificate assumes {lo}..{hi}"


def check(data: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> list[str]:
    """Faults of a certificate read from JSON; none if it is a proof. parameters: matrices by name, as nested lists, to
    be compared with what is assumed of them. A certificate that is no such thing at all is one fault as well."""
    faults: list[str] = []
    try:
        for fault in _Checker(data).faults(parameters):
            faults.append(fault)  # one by one: those found before it turns out to be malformed are kept
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        faults.append(f"not a well-formed certificate: {type(error).__name__}: {error}")
    return faults


def main(arguments: list[str]) -> int:
    """Exit code 0 for a verified proof, 1 for one with faults, 2 for bad usage or a file that cannot be read."""
    if len(arguments) not in (1, 2):
        print("usage: python -m pocketnn.prove.check CERTIFICATE.json [WEIGHTS]", file=sys.stderr)
        return 2
    try:
        data = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        parameters = _parameters(Path(arguments[1])) if len(arguments) == 2 else None
    except (OSError, ValueError, RecursionError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    faults = check(data, parameters)
    print("\n".join(faults[:20]) if faults else f"verified: {len(data['steps'])} steps, nothing can overflow")
    return 1 if faults else 0


def _parameters(path: Path) -> dict[str, Any]:
    from pocketnn.weights import load_weights  # only where a file is given: the proof itself needs none of it

    return {name: matrix.tolist() for name, matrix in load_weights(path)[0].items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
