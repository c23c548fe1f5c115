"""A description of a program: steps, each an op at a site on earlier steps, and what is loaded from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pocketnn.check.value import Value

__all__ = ["Content", "Known", "Node", "Numbers", "OneHot", "Program", "Within", "within"]


class Content(Protocol):
    """What a load brings in; as a text, in words."""

    def is_in(self, value: Value) -> bool:
        """Whether a step claims exactly that."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of the program: one for every element, or one each."""

    values: tuple[int, ...]

    def is_in(self, value: Value) -> bool:
        """Whether they are all known, and these."""
        if value.keys or value.lo != value.hi:
            return False
        if len(self.values) == 1:
            return set(value.lo) == set(self.values)
        return value.axes == value.shape and tuple(value.lo) == self.values

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True, slots=True)
class Within:
    """Any numbers in a range, both ends included: an assumption."""

    lo: int
    hi: int

    def is_in(self, value: Value) -> bool:
        """Whether the range is this one for every element."""
        return not value.keys and set(value.lo) == {self.lo} and set(value.hi) == {self.hi}

    def __str__(self) -> str:
        return f"any within {self.lo}..{self.hi}"


def within(lo: int, hi: int) -> Content:
    """Any number in a range; the number itself where there is but one."""
    return Numbers((lo,)) if lo == hi else Within(lo, hi)


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers that the certificate itself lists: the weights that it speaks of."""

    def is_in(self, value: Value) -> bool:
        """Whether every element is known."""
        return not value.keys and value.lo == value.hi

    def __str__(self) -> str:
        return "the numbers that the certificate lists"


@dataclass(frozen=True, slots=True)
class OneHot:
    """Rows that have `on` for the class that the row is of, any class, and `off` for all others."""

    on: int
    off: int

    def is_in(self, value: Value) -> bool:
        """Whether there is a case for each class, and each case is that row."""
        if len(value.keys) != 1 or value.axes != (value.shape[1], 1, value.shape[1]):
            return False
        classes = range(value.shape[1])
        rows = [self.on if c == k else self.off for k in classes for c in classes]
        return bool(value.lo == value.hi == rows)

    def __str__(self) -> str:
        return f"{self.on} for the class that a row is of, any, {self.off} for all others"


@dataclass(frozen=True, slots=True)
class Node:
    """One step that belongs there. args: numbers of earlier nodes. content: what is loaded; None for other ops.
    what: the same in words, where it is an assumption."""

    site: str
    op: str
    role: str
    args: tuple[int, ...] = ()
    params: tuple[Any, ...] = ()
    shape: tuple[int, ...] = ()
    content: Content | None = None
    what: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """Nodes in the order in which they were added. prefix: of the sites of those that are added here."""

    nodes: list[Node] = field(default_factory=list)
    prefix: str = ""

    def under(self, name: str) -> Program:
        """The same program, adding at sites below `name`."""
        return Program(self.nodes, f"{self.prefix}{name}.")

    def op(self, site: str, role: str, op: str, *args: int, params: tuple[Any, ...] = ()) -> int:
        """Add an op on earlier nodes; gives its number."""
        return self._add(Node(self.prefix + site, op, role, args, params))

    def acc(self, site: str, op: str, *args: int, params: tuple[Any, ...] = ()) -> int:
        """Add an op whose result goes into an accumulator."""
        return self.op(site, "accumulator", op, *args, params=params)

    def load(self, site: str, role: str, shape: tuple[int, ...], content: Content, what: str = "") -> int:
        """Add something from outside; gives its number."""
        return self._add(Node(self.prefix + site, "load", role, shape=shape, content=content, what=what))

    def constant(self, site: str, value: int) -> int:
        """Add a number of the program."""
        return self.load(site, "constant", (), Numbers((value,)))

    def constants(self, site: str, *values: int) -> int:
        """Add a row of numbers of the program."""
        return self.load(site, "constant", (len(values),), Numbers(values))

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def assumptions(self) -> Iterator[Node]:
        """The loads that are assumptions, each once."""
        return iter(dict.fromkeys(node for node in self.nodes if node.what))
