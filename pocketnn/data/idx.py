"""IDX files, the format of MNIST: unsigned bytes in one to three dimensions, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from pocketnn.errors import DataError
from pocketnn.files import atomic_write

__all__ = ["MAX_BYTES", "Bytes", "read_idx", "write_idx"]

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

MAX_BYTES = 1 << 30  # a header that claims more is not believed; MNIST has 47 million, EMNIST 547 million
_UNSIGNED_BYTE = 0x08  # element type in the magic number (IDX file format, LeCun, Cortes & Burges)


def read_idx(path: Path) -> Bytes:
    """Read an IDX file of unsigned bytes; gzip is recognised by its content.

    Raises DataError for anything else: no such file, wrong magic, another element type, more than three dimensions,
    sizes beyond 1 GiB, a file that ends early or goes on after its last element, damaged gzip. Never reads more than
    the header says, plus one byte, and holds that once. The array cannot be written to.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not zipped:
                return _read(raw, path)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read(stream, path)
    except DataError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path) -> Bytes:
    magic = stream.read(4)
    if magic[:2] == b"\0\0" and magic[3:] > b"\3":
        raise DataError(
            f"{path}: an IDX file of {magic[3]} dimensions; labels have 1, images 2 or 3 (one channel): write it so"
        )
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] == 0:
        raise DataError(
            f"{path}: starts with {magic.hex(' ') or 'nothing'}, not with an IDX magic number (00 00 08 01..03)"
        )
    if magic[2] != _UNSIGNED_BYTE:
        raise DataError(f"{path}: element type 0x{magic[2]:02x}; only unsigned bytes (0x08) are read")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(f"{path}: ends within its header, after {4 + len(header)} bytes")
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4))
    size = math.prod(shape)
    claimed = math.prod(n or 1 for n in shape)  # NumPy has no larger shapes even when a dimension is 0
    if claimed > MAX_BYTES:
        raise DataError(f"{path}: the header claims {claimed} elements {shape}; at most {MAX_BYTES} are read")
    body = bytearray()
    while len(body) <= size:  # in pieces, so that a false header costs no memory
        piece = stream.read(min(size + 1 - len(body), 1 << 24))
        if not piece:
            break
        body += piece
    if len(body) != size:
        found = "more follow" if len(body) > size else f"there are {len(body)}"
        raise DataError(f"{path}: the header {shape} promises {size} elements, {found}; fetch it again")
    array = np.frombuffer(body, np.uint8).reshape(shape)
    array.setflags(write=False)
    return array


def write_idx(path: Path, array: Bytes) -> None:
    """Write unsigned bytes as an IDX file, gzipped if the name ends in .gz; equal arrays give equal files."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= 3:
        raise DataError(f"{path}: {array.dtype} in {array.ndim} dimensions; IDX files here hold uint8 in 1 to 3")
    header = bytes((0, 0, _UNSIGNED_BYTE, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    content = header + array.tobytes()
    with atomic_write(path) as file:
        file.write(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)
