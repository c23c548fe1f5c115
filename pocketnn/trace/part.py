"""Which part of a run a recording holds, and how that is said."""

from __future__ import annotations

import json
from typing import NamedTuple

from pocketnn.errors import CorruptError

__all__ = ["ENDED", "Window", "part_of", "window_from_text"]

ENDED = ("complete", "interrupted", "failed")  # what an ending can say of the run
_MOST = 1 << 62  # steps


class Window(NamedTuple):
    """Which steps of a run are recorded: first..last, counted from 1; None: to the end.

    of: how many steps the run has; None if nobody knew it before the run.
    """

    first: int = 1
    last: int | None = None
    of: int | None = None

    def text(self) -> str:
        """As JSON, for a trace's header."""
        return json.dumps(self._asdict())


def window_from_text(text: str) -> Window:
    """The inverse of `Window.text`. Raises CorruptError for anything else."""
    try:
        found = Window(**json.loads(text))
        first, last, of = found
        good = (
            all(type(x) is int and 1 <= x < _MOST for x in (first, last or first, of or 1)) and (last or first) >= first
        )
    except (TypeError, ValueError, RecursionError):
        good = False
    if not good:
        raise CorruptError(f"the header's steps {text[:60]!r} are no range of steps")
    return found


def part_of(window: Window | None, steps: int, status: str | None, seen: int | None) -> str | None:
    """In words, which part of its run a recording of so many steps is; None if it holds the whole run.

    window: None in the old format, which does not say it. status: how the run ended; None if there is no ending. seen:
    how many steps the run had by then.
    """
    if window is None and status == "complete":
        return "PERHAPS PARTIAL: format 1 does not say whether steps were left out"
    first, _, of = window or Window()
    if status == "complete" and (first, steps) == (1, seen):
        return None
    every = seen if status == "complete" else of
    held = f"steps {first} to {first + steps - 1}" if steps else "no steps"
    why = "" if status == "complete" else f", {status or 'cut off: the run was killed, or goes on still'}"
    return f"PARTIAL: {held}{f' of {every}' if every is not None else ''}{why}"
