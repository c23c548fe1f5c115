"""Writing files so that a reader never finds half of one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any

from pocketnn.errors import UsageError

__all__ = ["atomic_folder", "atomic_write", "check_writable", "naming", "shown", "uninterrupted", "write_text"]

_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2
_HERE = -100  # AT_FDCWD: relative to the current folder
_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off ctrl-C and SIGTERM to the end of what is inside, where they would leave something behind.

    The second one is not put off. Signals that no Python function handles are left alone.
    """
    came: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            signal.default_int_handler(number, frame)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # the only one that signals reach
        before = {stop: handler for stop in _STOPS if callable(handler := signal.getsignal(stop))}
    try:
        for stop in before:
            signal.signal(stop, later)
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
        if came:
            before[came[0]](came[0], None)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` only when it is complete; on any failure nothing is left behind."""
    with uninterrupted():
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
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of `path` only when it is complete; on any failure nothing is left behind.

    What was at `path` before is there until then, where the system can exchange two folders. Elsewhere there is a
    moment between two renames in which it is in a folder beside it, whose name begins with a dot.
    """
    path = Path(os.path.realpath(path))  # of a link, the folder it leads to is replaced
    with uninterrupted():
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        new, old = scratch / "new", scratch / "old"
        try:
            new.mkdir()
            with naming(path):
                yield new
            if not path.exists():
                os.rename(new, path)
            elif not _exchanged(new, path):
                os.rename(path, old)
                os.rename(new, path)
        except BaseException:
            if old.exists() and not path.exists():
                os.rename(old, path)
            raise
        finally:
            if path.exists() or not old.exists():  # else what was there is in `old`, and nowhere else
                shutil.rmtree(scratch, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Give each the other's name in one step. False, and nothing is done, where the system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of writing say into which file, and what to do; by themselves they do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename, error.strerror = str(path), f"{error.strerror}; free some space, or name another file"
        raise


def shown(path: Path) -> str:
    """The path as text that can be written down anywhere: what is no UTF-8 in its name is escaped."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all. What UTF-8 has no bytes for is escaped."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", errors="backslashreplace"))


def check_writable(path: Path) -> None:
    """Refuse, before a long run, a file that could not be written after it. Raises UsageError."""
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        state = "cannot be written to" if parent.is_dir() else "does not exist"
        raise UsageError(f"{path}: the folder {parent} {state}; name another, or make it first")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file")
