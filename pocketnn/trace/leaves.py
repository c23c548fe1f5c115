"""Leaf values: integers that came from outside, each row stored once, many rows to a compressed block.

A batch of images is a list of row numbers: MNIST's 60,000 images are stored once, however many epochs read them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import threading
import zlib
from typing import Any

import numpy as np

from pocketnn.arith import as_integers
from pocketnn.arith.how import How
from pocketnn.errors import CorruptError
from pocketnn.trace.chain import sealed
from pocketnn.trace.schema import MAX_ELEMENTS, MAX_TEXT

__all__ = ["LeafWriter", "decoded", "encoded", "inflated", "size_of", "unpacked"]

_HOW = How(measure=False)
Array = np.ndarray[Any, np.dtype[Any]]

_SHORT = 64  # bytes; shorter rows are not worth a number of their own
# Level 1: on MNIST's images level 6 saves 15 % of the bytes and takes five times as long.
_LEVEL = 1
_DTYPES = ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8")
_BOUNDS = [(dtype, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for dtype in _DTYPES]
_BIG = "text"  # integers beyond 64 bits, as JSON
_CHUNK = 1 << 18  # bytes of new rows after which a block is begun
_MAX_BLOCK = (1 << 22) + 8 * MAX_ELEMENTS  # a reader refuses larger ones; what a writer begins ends with the leaf
_MAX_ROWS = 1 << 22


def encoded(outside: object) -> tuple[str, tuple[int, ...], list[bytes]]:
    """Integers from outside as (dtype, shape, rows): the first axis gives the rows where they are long enough."""
    array = as_integers(outside)
    if array.dtype == object:
        text = json.dumps([int(x) for x in array.flat], separators=(",", ":"))
        return _BIG, array.shape, [text.encode()]
    if array.dtype.itemsize > 1 and array.size:
        lo, hi = _HOW.extremes(array)  # not those that a backend saw in them, which are to be checked
        array = array.astype(next(dtype for dtype, least, most in _BOUNDS if least <= lo and hi <= most))
    dtype = array.dtype.newbyteorder("<")
    data = array.astype(dtype, copy=False).tobytes()
    if array.ndim < 2 or array.nbytes < _SHORT * max(1, array.shape[0]):
        return dtype.str, array.shape, [data]
    row = len(data) // len(array)
    return dtype.str, array.shape, [data[i : i + row] for i in range(0, len(data), row)]


def decoded(dtype: str, shape: tuple[int, ...], data: bytes) -> Array:
    """The inverse of `encoded`, from the rows joined. Raises CorruptError for anything that it would not write."""
    try:
        if dtype == _BIG:
            items = json.loads(data)
            if not isinstance(items, list) or not all(type(x) is int for x in items):
                raise ValueError("not a list of integers")
            return np.array(items, dtype=object).reshape(shape)
        if dtype not in _DTYPES:
            raise ValueError(f"dtype {dtype!r} is none of {', '.join(_DTYPES)}")
        return np.frombuffer(data, dtype).reshape(shape)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{len(data)} bytes do not make integers of shape {shape}: {error}") from error


def size_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes that a leaf of this type and shape has; at most, for integers beyond 64 bits."""
    return MAX_TEXT if dtype == _BIG else math.prod(shape) * int(dtype[-1:]) if dtype in _DTYPES else 0


class _Block:
    """Rows that are compressed in a thread: zlib needs no lock of Python's, and 70,000 images take it half a second."""

    def __init__(self, first: int, rows: list[bytes]) -> None:
        self._first, self._rows, self._data = first, rows, b""
        self._thread = threading.Thread(target=self._compress)
        with contextlib.suppress(RuntimeError):  # no more threads, or Python is about to end
            self._thread.start()

    def _compress(self) -> None:
        self._data = zlib.compress(b"".join(self._rows), _LEVEL)

    def columns(self) -> tuple[int, bytes, bytes]:
        """The columns first_row, lengths, data, as soon as they are there."""
        if self._thread.ident is not None:
            self._thread.join()
        if not self._data:  # there was no thread, or no memory for it
            self._compress()
        return self._first, np.array([len(row) for row in self._rows], "<u4").tobytes(), self._data


class LeafWriter:
    """Numbers rows and collects those that are new; `blocks` hands them out compressed.

    A block is begun after the leaf with which the new rows reach _CHUNK bytes; the one before is finished first, so
    there is never more than one thread.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._fresh: list[bytes] = []
        self._bytes = 0
        self._first = 0
        self._begun: _Block | None = None
        self._done: list[tuple[int, bytes, bytes]] = []

    def add(self, outside: object) -> tuple[str, str, bytes, str]:
        """The leaf's columns dtype, shape, rows, and what seals its rows in the chain."""
        dtype, shape, rows = encoded(outside)
        keys = [hashlib.sha256(row).digest() for row in rows]
        numbers = list(map(self._known.get, keys))
        if None in numbers:
            numbers = [self._number(key, row) for key, row in zip(keys, rows, strict=True)]
        if self._bytes >= _CHUNK:
            self._begin()
        return dtype, str([*shape]), np.array(numbers, "<u4").tobytes(), sealed(b"".join(keys))

    def _number(self, key: bytes, row: bytes) -> int:
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self._known)
            self._fresh.append(row)
            self._bytes += len(row)
        return number

    def blocks(self, rest: bool) -> list[tuple[int, bytes, bytes]]:
        """The columns first_row, lengths, data of blocks that are complete, in order; `rest`: of all new rows."""
        if rest:
            self._begin()
            self._finish()
        done, self._done = self._done, []
        return done

    def _begin(self) -> None:
        """Begin a block of all new rows, after the one before it."""
        self._finish()
        if self._fresh:
            self._begun = _Block(self._first, self._fresh)
            self._first += len(self._fresh)
            self._fresh, self._bytes = [], 0

    def _finish(self) -> None:
        """Wait for the block that was begun."""
        begun, self._begun = self._begun, None
        if begun:
            self._done.append(begun.columns())


def inflated(data: bytes, size: int) -> bytes:
    """Decompress exactly `size` bytes. Raises CorruptError if there are more, fewer, or damaged ones."""
    decompressor = zlib.decompressobj()
    try:
        result = decompressor.decompress(data, size + 1)
    except zlib.error as error:
        raise CorruptError(f"compressed data are damaged ({error})") from error
    if len(result) != size or not decompressor.eof or decompressor.unused_data:
        raise CorruptError(f"compressed data do not hold the {size} bytes that they should")
    return result


def unpacked(lengths: bytes, data: bytes) -> list[bytes]:
    """The rows of a block."""
    if len(lengths) % 4:
        raise CorruptError("a block's list of lengths is cut off")
    sizes = np.frombuffer(lengths, "<u4").astype(np.int64)
    total = int(sizes.sum())
    if total > _MAX_BLOCK or len(sizes) > _MAX_ROWS:
        raise CorruptError(f"a block claims {len(sizes)} rows, {total} bytes; at most {_MAX_BLOCK} bytes are read")
    raw = inflated(data, total)
    ends = np.cumsum(sizes).tolist()
    return [raw[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
