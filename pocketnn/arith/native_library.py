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

from pocketnn.arith.native_source import KERNELS, kernel_name, native_source
from pocketnn.cache import distrusted, make_cache
from pocketnn.errors import UsageError

__all__ = ["compiler", "library"]

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-O3", "-shared", "-fPIC")
_SECONDS = 120


def compiler() -> list[str] | None:
    """The command of a C compiler: $CC, else the first of cc, gcc, clang on PATH; None if there is none.

    Raises UsageError for a CC that is no command.
    """
    text = os.environ.get("CC", "")
    try:
        asked = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"CC is {text!r}, no command of a C compiler ({error}); name one, or unset it") from error
    names = [asked] if asked else [[name] for name in _COMPILERS]
    return next((command for command in names if shutil.which(command[0])), None)


def library() -> ctypes.CDLL:
    """The kernels, compiled for this computer; compiled once per source, compiler and kind of processor.

    Raises UsageError without a compiler or a folder for the result that is the user's alone, and if it does not compile
    or load.
    """
    command = compiler()
    if command is None:
        raise UsageError(
            f"the backend c needs a C compiler; {os.environ.get('CC') or ', '.join(_COMPILERS)} is not on PATH: "
            "apt-get install gcc libc6-dev, or name one in CC"
        )
    return _library(tuple(command), _private_folder())


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
        loaded = ctypes.CDLL(str(path))
        for op, bits in KERNELS:
            loaded[kernel_name(op, bits)]
    except (OSError, AttributeError) as error:
        raise UsageError(f"{path}: not a library that can be loaded ({error}); delete it to have it built") from error
    return loaded


def _intact(path: Path) -> bool:
    """Whether the library is there, is what was built, and only its user can have put it there."""
    digest = path.with_suffix(".sha256")
    try:
        if distrusted(path) or distrusted(digest):
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest.read_text(errors="replace")
    except OSError:
        return False


def _private_folder() -> Path:
    """The cache. What others can put there must not be executed. Raises UsageError for such a folder, and for none."""
    try:
        folder = make_cache()
        fault = distrusted(folder)
    except OSError as error:
        raise _no_place(error) from error
    if fault:
        raise UsageError(
            f"{folder}: no place for compiled kernels, {fault}; name a folder of your own in XDG_CACHE_HOME, or let "
            "only its owner write there (chmod go-w)"
        )
    return folder


def _no_place(error: OSError) -> UsageError:
    where = f"{error.filename}: " if error.filename else ""
    return UsageError(
        f"{where}no place for the compiled kernels ({error.strerror or error}); name one in XDG_CACHE_HOME"
    )


def _build(command: list[str], source: str, path: Path) -> None:
    """Compile into a file of another name and rename that: two processes at once then do not meet."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".native-") as scratch:
            made = Path(scratch) / path.name
            done = _run([*command, "-x", "c", "-", "-o", str(made)], source)
            if done.returncode:
                said = " ".join(done.stderr.split())[:500] or "it says nothing"
                raise UsageError(f"{shlex.join(command)} does not compile the kernels of the backend c: {said}")
            digest = Path(scratch) / "digest"
            digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
            made.chmod(0o700)  # whatever the umask
            digest.chmod(0o600)
            os.replace(digest, path.with_suffix(".sha256"))
            os.replace(made, path)
    except OSError as error:
        raise _no_place(error) from error


def _run(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the C compiler of the backend c does not run: {error}; name another in CC") from error
