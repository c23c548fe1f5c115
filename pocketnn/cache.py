"""The user's cache: where it is, and whether what lies there can be trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pocketnn.errors import UsageError

__all__ = ["cache_folder", "distrusted", "make_cache"]


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/pocketnn, by default ~/.cache/pocketnn; a relative $XDG_CACHE_HOME is ignored, as XDG demands.

    Raises UsageError where there is no home folder either.
    """
    asked = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(asked):
        return Path(asked) / "pocketnn"
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise UsageError("this user has no home folder for the cache; name an absolute folder in XDG_CACHE_HOME")
    return Path(home) / ".cache" / "pocketnn"


def make_cache() -> Path:
    """The cache folder, made for its owner alone if it is not there. Raises UsageError, OSError."""
    folder = cache_folder()
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def distrusted(path: Path) -> str | None:
    """Why somebody else could have put into this file or folder what is there; None if only its user or root could.

    Raises OSError if it is not there.
    """
    state = path.stat()
    if state.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {state.st_uid}"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to it (mode {stat.S_IMODE(state.st_mode):o})"
    return None
