"""Where values live in C: constants in tables, state and results in arrays of their own, all else in shared buffers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pocketnn.arith.backend import Integers
from pocketnn.errors import UsageError
from pocketnn.export.graph import Carried, Constant, Given, Local, Node, Setting, Source, StepProgram
from pocketnn.export.places import Layout, Place, bytes_of
from pocketnn.export.spelling import c_type, storage_bits
from pocketnn.trace import Handle

__all__ = ["ELEMENTWISE", "ROW_BYTES", "lay_out"]

ROW_BYTES = 32767  # objects above it do not exist where size_t's signed half has 16 bits (AVR, MSP430): tables of rows

ELEMENTWISE = {"load", "add", "sub", "neg", "mul", "div", "clamp", "max", "isqrt", "select", "reshape"}
"""Ops whose element i depends on element i of every operand of the result's shape."""


def lay_out(program: StepProgram) -> Layout:
    """Assign a place to every value of the program. Raises UsageError for what no C type or table holds."""
    layout = Layout()
    _place_constants(layout, program)
    for key, x in program.state.items():
        place = _array(layout.name(f"state.{key[0]}"), x)
        layout.places[Carried(key)] = place
        layout.state[place.name] = place, x.ints()
        if key in program.resets:
            layout.resets.append(layout.state[place.name])
    for key, row in program.settings.items():
        place = _array(layout.name(key[0]), row[0])
        contents = np.stack([x.ints().reshape(-1) for x in row])
        if bytes_of(place.kind, contents.size) > ROW_BYTES:
            raise UsageError(f"{key[0]} has another value in many of {len(row)} epochs; its table has no room in C")
        layout.places[Setting(key)] = place
        layout.settings[place.name] = place, contents
    for key, example in program.given.items():
        layout.places[Given(key)] = layout.inputs[key] = _input(layout.name(f"given.{key[0]}"), example)
    _assign(layout, program)
    return layout


def _place_constants(layout: Layout, program: StepProgram) -> None:
    """Tables; macros for single constants."""
    known: dict[Any, Place] = {}  # equal tables are kept once
    for event, x in program.constants.items():
        bits, shape = x.code.to.word.bits, x.shape
        contents = x.ints()
        single = contents.size == 1
        same = (c_type(bits), shape, contents.tobytes())
        if not single and same in known:
            layout.places[Constant(event)] = known[same]
            continue
        name = layout.name(x.code.site)
        rows = not single and len(shape) == 2 and contents.size * storage_bits(bits) // 8 > ROW_BYTES
        macro = int(contents.reshape(-1)[0]) if single else None
        place = Place(name.upper() if single else name, c_type(bits), bits, shape, name, macro, rows)
        layout.places[Constant(event)] = known[same] = place
        layout.tables[name] = place, contents


def _array(name: str, x: Handle) -> Place:
    bits = x.code.to.word.bits
    return Place(name, c_type(bits), bits, x.shape, name)


def _input(name: str, example: Integers) -> Place:
    width = example.dtype.itemsize * 8
    if example.dtype.kind not in "iu" or width > 64 or (example.dtype.kind == "u" and width == 64):
        raise UsageError(f"{name} is {example.dtype}; C takes inputs of 8 to 64 bits, unsigned ones of at most 32")
    kind = f"{'u' if example.dtype.kind == 'u' else ''}int{width}_t"
    return Place(name, kind, width + (example.dtype.kind == "u"), example.shape, name)


def _assign(layout: Layout, program: StepProgram) -> None:
    """A place for every result: its state's own, or one of the caller's, or a buffer until its last use."""
    last: dict[Source, int] = {}
    for position, node in enumerate(program.nodes):
        last.update(dict.fromkeys(node.operands, position))
    pool = _Pool(layout)
    for position, node in enumerate(program.nodes):
        here = Local(node.key)
        pool.release(position, last)
        name = layout.name(f"{node.key[0]}")
        bits, shape = node.code.to.word.bits, node.code.shape
        storage = None
        if node.key in program.state and node.key not in program.results:
            storage = _state_storage(layout, node, position, last)
        if node.key in program.results:
            storage = layout.name(f"result.{node.key[0]}")
            layout.results[node.key] = Place(storage, c_type(bits), bits, shape, storage)
        until = len(program.nodes) if node.key in program.state else last.get(here, position)
        if storage is None:
            storage = pool.reused(node, position, last, until) or pool.take(here, c_type(bits), math.prod(shape), until)
        layout.places[here] = Place(name, c_type(bits), bits, shape, storage)
        if node.key in program.state and storage != layout.places[Carried(node.key)].storage:
            layout.copies.append((layout.places[Carried(node.key)], layout.places[here]))


def _state_storage(layout: Layout, node: Node, position: int, last: Mapping[Source, int]) -> str | None:
    """The state's own array, if its old contents are not needed when the new ones are written."""
    old = Carried(node.key)
    final = last[old]
    if final < position or (final == position and old in _overwritable(layout, node)):
        return layout.places[old].storage
    return None


def _overwritable(layout: Layout, node: Node) -> list[Source]:
    """The operands of which element i is needed for element i of the result alone: it may take their place."""
    if node.code.op.name not in ELEMENTWISE:
        return []
    operands = node.operands[:1] if node.code.op.name == "select" else node.operands
    tables = node.operands[1:] if node.code.op.name == "select" else ()
    return [x for x in operands if layout.places[x].shape == node.code.shape and x not in tables]


class _Pool:
    """Arrays that values share one after the other."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.free: list[str] = []
        self.held: dict[str, int] = {}  # array: position of the last use of what is in it

    def release(self, position: int, last: Mapping[Source, int]) -> None:
        """Free the arrays of values whose last use is past."""
        for storage in [name for name, until in self.held.items() if until < position]:
            del self.held[storage]
            self.free.append(storage)

    def reused(self, node: Node, position: int, last: Mapping[Source, int], until: int) -> str | None:
        """The array of an operand that is used here for the last time and may be overwritten element by element."""
        for operand in _overwritable(self.layout, node):
            place = self.layout.places[operand]
            fitting = place.kind == c_type(node.code.to.word.bits)
            if isinstance(operand, Local) and fitting and self.held.get(place.storage) == position:
                self.held[place.storage] = until
                return place.storage
        return None

    def take(self, here: Local, kind: str, size: int, until: int) -> str:
        """The smallest free array that is large enough; else the largest, made larger; else a new one."""
        alike = sorted(
            (self.layout.buffers[name][1], name) for name in self.free if self.layout.buffers[name][0] == kind
        )
        storage = next((name for length, name in alike if length >= size), alike[-1][1] if alike else None)
        if storage is None:
            storage = self.layout.name(f"buffer{len(self.layout.buffers)}")
        else:
            self.free.remove(storage)
        self.layout.buffers[storage] = kind, max(size, self.layout.buffers.get(storage, (kind, 0))[1])
        self.held[storage] = until
        return storage
