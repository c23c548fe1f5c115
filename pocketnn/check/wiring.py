"""Whether the steps of a certificate are the program that its claim is about, and nothing else.

The two are compared as graphs: a step belongs there if the description has the same op at the same site into the same
register on the same operands, and a load if it brings in exactly what the claim says. Their order is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pocketnn.arith.ops import Tensor
from pocketnn.check.inclusion import parameters_of
from pocketnn.check.program import Node, Program
from pocketnn.check.value import Value

__all__ = ["Wiring"]


class Wiring:
    """The steps of a certificate, held against a program. faults: what differs."""

    def __init__(self, program: Program, steps: Sequence[Mapping[str, Any]], values: Sequence[Value]) -> None:
        self._numbers: dict[Node, int] = {}  # alike nodes are one: a constant that is loaded twice is the same
        self._which: list[int] = []
        for node in program.nodes:
            alike = replace(node, args=tuple(self._which[arg] for arg in node.args))
            self._which.append(self._numbers.setdefault(alike, len(self._numbers)))
        self._nodes = list(self._numbers)
        self._steps, self._values = steps, values
        self._node_of: list[int | None] = []  # of each step
        self.faults = [*self._strange(), *self._missing()]

    def is_node(self, step: int, node: int) -> bool:
        """Whether a step of the certificate is this node of the program."""
        return 0 <= step < len(self._steps) and self._node_of[step] == self._which[node]

    def _strange(self) -> Iterator[str]:
        """Steps that are not in the program. The program's own at the same site is taken for what follows from them."""
        for number, step in enumerate(self._steps):
            found, fault = self._load(number) if step["op"] == "load" else self._op(step)
            if found is not None and step["op"] != "load" and found in self._node_of:
                fault = fault or "it is there twice"
            self._node_of.append(found)
            if fault:
                yield f"step {number}, {step['site']} ({step['op']}): {fault}"

    def _load(self, number: int) -> tuple[int | None, str]:
        step, value = self._steps[number], self._values[number]
        there = self._at(step)
        for node in there:
            content = node.content
            if (node.role, node.shape) == (step["role"], value.shape) and content and content.is_in(value):
                return self._numbers[node], ""
        if not there:
            return None, "the claimed program loads nothing there"
        own = there[-1]
        return self._numbers[own], f"it is not what the claim says: {list(own.shape)}, {own.content}, into {own.role}"

    def _op(self, step: Mapping[str, Any]) -> tuple[int | None, str]:
        args = tuple(self._node_of[arg] if 0 <= arg < len(self._node_of) else None for arg in step["args"])
        params = tuple((p.shape, p.items) if isinstance(p, Tensor) else p for p in parameters_of(step))
        there = self._at(step)
        for node in there:
            if (node.role, node.args, node.params) == (step["role"], args, params):
                return self._numbers[node], ""
        if not there:
            return None, "the claimed program has no such op there"
        own = there[-1]
        sources = " and ".join(self._nodes[arg].site for arg in own.args)
        return self._numbers[own], f"it is not wired as the claimed program: {sources}, {own.params}, into {own.role}"

    def _at(self, step: Mapping[str, Any]) -> list[Node]:
        return [node for node in self._nodes if (node.site, node.op) == (step["site"], step["op"])]

    def _missing(self) -> Iterator[str]:
        for number, node in enumerate(self._nodes):
            if number not in self._node_of:
                what = f": {node.content}" if node.content else ""
                yield f"the claimed program has {node.site} ({node.op}{what}), the certificate does not"
