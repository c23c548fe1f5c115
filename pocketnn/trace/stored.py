"""What a trace stores of values: leaves in blocks, checkpoints, results. Nothing in the file is believed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from pocketnn.arith.backend import Integers
from pocketnn.errors import CorruptError
from pocketnn.trace.chain import sealed
from pocketnn.trace.database import Database, corruption
from pocketnn.trace.digest import register_dtype
from pocketnn.trace.event import Code
from pocketnn.trace.leaves import decoded, inflated, size_of, unpacked
from pocketnn.trace.meaning import shape_of
from pocketnn.trace.schema import MAX_ELEMENTS

__all__ = ["Stored"]

_KEPT = 1 << 28  # bytes of decompressed blocks kept; the images of MNIST take 47 million
_HASH = 32  # bytes of a SHA-256


class Stored:
    """The values that a trace holds, by event. code_of: an event's code. Every method raises CorruptError."""

    def __init__(self, database: Database, code_of: Callable[[int], Code]) -> None:
        self._database = database
        self._code_of = code_of
        self._first_rows = [row for (row,) in database.rows("SELECT first_row FROM block ORDER BY id")]
        self._blocks: dict[int, list[bytes]] = {}
        self._kept = 0
        self._hashes = bytearray()  # of rows, one after the other
        self._hashed = self._linked = 0  # blocks whose rows are hashed; rows that a leaf has referred to

    def leaf(self, event: int) -> Integers:
        """The integers from outside that a `load` was given."""
        with corruption(self._database.path):
            found = list(self._database.rows("SELECT dtype, shape, rows FROM leaf WHERE event = ?", event))
            if len(found) != 1:
                raise CorruptError(f"event {event} loads a value that is not there")
            dtype, shape, rows = found[0]
            shape = shape_of(shape)
            room, parts = size_of(dtype, shape), []
            for row in _numbers(rows).tolist():
                parts.append(self._row(row))
                room -= len(parts[-1])
                if room < 0 or len(parts) > MAX_ELEMENTS:
                    raise CorruptError(f"the leaf of event {event} has more rows than its shape {shape}")
            return decoded(dtype, shape, b"".join(parts))

    def checkpoint(self, interval: int) -> dict[int, Integers]:
        """Register contents by event id, of values from before the interval that are used in it."""
        query = "SELECT event, data FROM checkpoint WHERE interval = ? ORDER BY id"
        return {event: self._integers(event, data) for event, data in self._database.rows(query, interval)}

    def result(self, event: int) -> Integers | None:
        """The stored result of an event; None in a trace of level `digest`."""
        found = list(self._database.rows("SELECT data FROM result WHERE event = ?", event))
        return self._integers(event, found[0][0]) if found else None

    # --- as the chain has them ---------------------------------------------------------------------------

    def link_of_leaf(self, rows: bytes) -> str:
        """What seals a leaf's rows in the chain: for every leaf in order, for rows are numbered as they come."""
        numbers = _numbers(rows)
        new = np.unique(numbers[numbers >= self._linked])
        if new.size:
            while int(new[-1]) * _HASH >= len(self._hashes):
                self._hash_block()
            if new[0] != self._linked or new[-1] - new[0] != new.size - 1:
                raise CorruptError(f"rows of leaf values from {self._linked} on belong to no leaf")
            self._linked += new.size
        return sealed(np.frombuffer(self._hashes, f"V{_HASH}")[numbers].tobytes())

    def link_of_contents(self, event: int, data: bytes) -> str:
        """What seals a checkpoint or a result in the chain."""
        return sealed(self._contents(event, data))

    def end_of_links(self) -> None:
        """Refuse rows and blocks that no leaf has referred to."""
        if self._hashed < len(self._first_rows) or self._linked * _HASH < len(self._hashes):
            raise CorruptError(f"rows of leaf values from {self._linked} on belong to no leaf")

    # ----------------------------------------------------------------------------------------------------

    def _hash_block(self) -> None:
        """Hash the rows of the next block."""
        count = len(self._hashes) // _HASH
        if self._hashed == len(self._first_rows) or self._first_rows[self._hashed] != count:
            raise CorruptError(f"row {count} of leaf values is not there")
        for row in self._block(self._hashed):
            self._hashes += sha256(row).digest()
        self._hashed += 1

    def _row(self, row: int) -> bytes:
        block = bisect_right(self._first_rows, row) - 1
        rows = self._block(block) if block >= 0 else []
        position = row - self._first_rows[block] if block >= 0 else 0
        if position >= len(rows):
            raise CorruptError(f"row {row} of leaf values is not there")
        return rows[position]

    def _block(self, block: int) -> list[bytes]:
        """The rows of a block; those last decompressed are kept, within bounds."""
        kept = self._blocks.get(block)
        if kept is not None:
            return kept
        found = list(self._database.rows("SELECT lengths, data FROM block WHERE id = ?", block + 1))
        if len(found) != 1:
            raise CorruptError(f"block {block + 1} of leaf values is not there")
        rows = unpacked(*found[0])
        size = sum(map(len, rows))
        if self._kept + size > _KEPT:
            self._blocks, self._kept = {}, 0
        self._blocks[block] = rows
        self._kept += size
        return rows

    def _contents(self, event: int, data: bytes) -> bytes:
        code = self._code_of(event)
        return inflated(data, register_dtype(code.to.word.bits).itemsize * int(np.prod(code.shape, dtype=object)))

    def _integers(self, event: int, data: bytes) -> Integers:
        with corruption(self._database.path):
            code = self._code_of(event)
            contents = self._contents(event, data)
            return np.frombuffer(contents, register_dtype(code.to.word.bits)).reshape(code.shape)


def _numbers(rows: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A leaf's row numbers."""
    if len(rows) % 4:
        raise CorruptError("a leaf's list of rows is cut off")
    return np.frombuffer(rows, "<u4").astype(np.int64)
