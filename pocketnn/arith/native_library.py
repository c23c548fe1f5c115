"""The C compiler and the shared library that it makes of the Native backend's source, kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from pocketnn.arith.native_source import native_source
from pocketnn.errors import UsageError

__all__ = ["compiler", "library"]

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-O3", "-shared", "-fPIC")
_SECONDS = 120


def compiler() -> list[str] | None:
    """The command of a C compiler: $CC, else the first of cc, gcc, clang on PATH; None if there is none."""
    asked = shlex.split(os.environ.get("CC", ""))
    names = [asked] if asked else [[name] for name in _COMPILERS]
    return next((command for command in names if shutil.which(command[0])), None)


def library() -> ctypes.CDLL:
    """The kernels, compiled for this computer; compiled once per source, compiler and kind of processor.

    Raises UsageError without a compiler or a folder for the result, and if it does not compile or load.
    """
    command = compiler()
    if command is None:
        raise UsageError(
            f"the backend c needs a C compiler; {os.environ.get('CC') or ', '.join(_COMPILERS)} is not on PATH: "
            "apt-get install gcc libc6-dev, or name one in CC"
        )
    return _library(tuple(command), _folder())


@lru_cache
def _library(command: tuple[str, ...], folder: Path) -> ctypes.CDLL:
    source = native_source()
    # What a compiler defines before it reads anything says which version it is and what the processor has.
    known = _run([*command, *_FLAGS, "-march=native", "-dM", "-E", "-x", "c", "-"], "")
    flags = (*_FLAGS, "-march=native") if known.returncode == 0 else _FLAGS
    key = hashlib.sha256("\0".join([source, *command, *flags, known.stdout]).encode()).hexdigest()
    path = folder / f"native-{key[:32]}.so"
    if not _intact(path):  # loading one that was cut off would end the process
        _build([*command, *flags], source, path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise UsageError(f"{path}: not a library that can be loaded ({error}); delete it to have it built") from error


def _intact(path: Path) -> bool:
    """Whether the library is there, and is what was built."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.with_suffix(".sha256").read_text(errors="replace")
    except OSError:
        return False


def _folder() -> Path:
    """$XDG_CACHE_HOME/pocketnn, by default ~/.cache/pocketnn."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pocketnn"


def _build(command: list[str], source: str, path: Path) -> None:
    """Compile into a file of another name and rename that: two processes at once then do not meet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".native-") as scratch:
            made = Path(scratch) / path.name
            done = _run([*command, "-x", "c", "-", "-o", str(made)], source)
            if done.returncode:
                said = " ".join(done.stderr.split())[:500] or "it says nothing"
                raise UsageError(f"{shlex.join(command)} does not compile the kernels of the backend c: {said}")
            digest = Path(scratch) / "digest"
            digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
            os.replace(digest, path.with_suffix(".sha256"))
            os.replace(made, path)
    except OSError as error:
        raise UsageError(
            f"{path.parent}: no place for the compiled kernels ({error.strerror or error}); name one in XDG_CACHE_HOME"
        ) from error


def _run(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the C compiler of the backend c does not run: {error}; name another in CC") from error
