"""Writing files so that a reader never finds half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pocketnn.errors import UsageError

__all__ = ["atomic_write", "check_writable", "naming", "write_text"]


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` only when it is complete; on any failure nothing is left behind."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp's own mode is private
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of writing say into which file, and what to do; by themselves they do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename, error.strerror = str(path), f"{error.strerror}; free some space, or name another file"
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def check_writable(path: Path) -> None:
    """Refuse, before a long run, a file that could not be written after it. Raises UsageError."""
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        state = "cannot be written to" if parent.is_dir() else "does not exist"
        raise UsageError(f"{path}: the folder {parent} {state}; name another, or make it first")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file")
