"""Plans: the static part of steps, numbered. Steps that do the same share a plan, events of one kind a code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from math import prod
from typing import Any

from pocketnn.arith import OPS
from pocketnn.trace.event import Code, params_to_text
from pocketnn.trace.schema import MAX_ELEMENTS, MAX_TEXT

__all__ = ["Plans"]

Row = tuple[Any, ...]
_LOAD = OPS["load"]


class Plans:
    """Numbers codes and plans. codes, plans: rows of those that are new; whoever writes them empties the lists.

    within: called with a condition and what is wrong where it does not hold: then no reader would take the step.
    """

    def __init__(self, within: Callable[[bool, str], None]) -> None:
        self.codes: list[Row] = []
        self.plans: list[Row] = []
        self._within = within
        self._code_numbers: dict[Code, int] = {}
        self._plan_numbers: dict[tuple[Row, ...], int] = {}
        self._rows = 0  # of plans, in all
        self._latest: tuple[list[Code], list[int], int] | None = None

    def number(self, step: int, first: int, previous: int, codes: list[Code], operands: Sequence[int]) -> int:
        """The number of a step's static part, which is that of the step before nearly always.

        That is seen by the same codes and operands as far back; it takes a fifth of the time that rows take.

        first, previous: ids of the first events of this step and of the one before it. operands: ids, one event's after
        the other's.
        """
        # of this step or the one before it: how far from its beginning; older ones: their ids
        places = [(x - first) << 1 if x >= previous else x << 1 | 1 for x in operands]
        latest = self._latest
        if latest is None or latest[0] != codes or latest[1] != places:
            latest = self._latest = codes, places, self._plan(step, first, previous, codes, operands)
        return latest[2]

    def _plan(self, step: int, first: int, previous: int, codes: list[Code], operands: Sequence[int]) -> int:
        plan = []
        every = iter(operands)
        for identity, code in enumerate(codes, start=first):
            # how far back if they are of this step or the one before it (negative), else their ids
            own = islice(every, 0 if code.op is _LOAD else code.op.arity)
            plan.append((self._code(step, code), *[x - identity if x >= previous else x for x in own]))
        number = self._plan_numbers.get(tuple(plan))
        if number is None:
            number = self._plan_numbers[tuple(plan)] = len(self._plan_numbers) + 1
            for position, row in enumerate(plan):
                self._rows += 1
                self.plans.append((self._rows, step, number, position, *row, *[None] * (4 - len(row))))
        return number

    def _code(self, step: int, code: Code) -> int:
        """The code's number; a new one becomes a row of the step."""
        number = self._code_numbers.get(code)
        if number is None:
            number = self._code_numbers[code] = len(self._code_numbers) + 1
            op, site, to, params, shape = code
            text = params_to_text(op, params)
            self._within(site.isprintable(), f"site {site!r} has characters that cannot be printed")
            self._within(len(text) <= MAX_TEXT, f"site {site}: the parameters of {op.name} are too long")
            self._within(prod(shape) <= MAX_ELEMENTS, f"site {site}: {shape} has more than {MAX_ELEMENTS} elements")
            register = to.role.value, to.word.bits, to.overflow.value
            self.codes.append((number, step, op.name, site, *register, text, json.dumps(shape)))
        return number
