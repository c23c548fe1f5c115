"""Places of values in C: arrays, macros of single constants, tables of rows; and all of those of a program."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pocketnn.arith.backend import Integers
from pocketnn.export.graph import Key, Source

__all__ = ["Layout", "Place", "bytes_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """A value in C. name: of the array, or macro of a single constant. kind: element type. bits: of its values.

    storage: the array that it is kept in. literal: a single constant's value. rows: a table of pointers to rows.
    """

    name: str
    kind: str
    bits: int
    shape: tuple[int, ...]
    storage: str
    literal: int | None = None
    rows: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def at(self, indices: Sequence[str]) -> str:
        """The element at the innermost `len(shape)` of these index variables, broadcasting."""
        if self.literal is not None:
            return self.name
        own = list(zip(indices[len(indices) - len(self.shape) :], self.shape, strict=True))
        if self.rows:
            return f"{self.name}[{own[0][0]}][{own[1][0]}]"
        terms = []
        for axis, (index, length) in enumerate(own):
            stride = math.prod(self.shape[axis + 1 :])
            if length > 1:
                terms.append(index if stride == 1 else f"{index} * {stride}")
        return f"{self.name}[{' + '.join(terms) or '0'}]"


@dataclass(slots=True)
class Layout:
    """Places by source, and what must be declared.

    tables: constants with their contents. state: carried values with their contents before the first step. settings:
    values that change with the epoch, with a row of contents for each. results: places that the caller may read.
    buffers: C type and elements of each shared array. resets: state that an epoch begins anew. copies: state to be
    taken over at the end of a step, from a result kept elsewhere.
    """

    places: dict[Source, Place] = field(default_factory=dict)
    tables: dict[str, tuple[Place, Integers]] = field(default_factory=dict)
    state: dict[str, tuple[Place, Integers]] = field(default_factory=dict)
    settings: dict[str, tuple[Place, Integers]] = field(default_factory=dict)
    results: dict[Key, Place] = field(default_factory=dict)
    inputs: dict[Key, Place] = field(default_factory=dict)
    buffers: dict[str, tuple[str, int]] = field(default_factory=dict)
    resets: list[tuple[Place, Integers]] = field(default_factory=list)
    copies: list[tuple[Place, Place]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def name(self, site: str) -> str:
        """A C identifier of its own for a site."""
        base = re.sub(r"\W", "_", site)
        name, number = base, 1
        while name in self.names:
            number += 1
            name = f"{base}_{number}"
        self.names.add(name)
        return name

    @property
    def flash(self) -> int:
        """Bytes of the tables, pointers to rows not counted."""
        tables = sum(bytes_of(place.kind, place.size) for place, _ in self.tables.values() if place.literal is None)
        return tables + sum(bytes_of(place.kind, rows.size) for place, rows in self.settings.values())

    @property
    def ram(self) -> int:
        """Bytes of state, results and buffers."""
        arrays = [*(place for place, _ in (*self.state.values(), *self.settings.values())), *self.results.values()]
        shared = sum(bytes_of(*buffer) for buffer in self.buffers.values())
        return shared + sum(bytes_of(place.kind, place.size) for place in arrays)


def bytes_of(kind: str, size: int) -> int:
    return size * int(re.sub(r"\D", "", kind)) // 8
