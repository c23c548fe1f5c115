"""Files of test vectors: a header line, `#` comments, and a case a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pocketnn.arith import SEMANTICS
from pocketnn.errors import DataError
from pocketnn.vectors.text import Answer, Case, line_of, parse_line

__all__ = ["document", "read"]

_HEADER = f"pocketnn-vectors 1 semantics {SEMANTICS}"
# Limits for files from strangers.
_LONGEST = 1 << 16  # bytes of a line
_MOST_LINES = 100_000


def document(sections: Iterable[tuple[str, Iterable[tuple[Case, Answer]]]]) -> str:
    """The text of a file: the header, then sections, each a comment of one or more lines and its cases."""
    lines = [_HEADER]
    for about, cases in sections:
        lines += [f"# {line}" for line in about.splitlines()]
        lines += [line_of(case, answer) for case, answer in cases]
    return "".join(f"{line}\n" for line in lines)


def read(path: Path) -> Iterator[tuple[int, Case, Answer]]:
    """Line number, case and answer of every case of a file, one at a time; blank lines and `#` comments are skipped.

    Raises DataError naming file and line for anything that is not a file of vectors of this format and semantics.
    """
    header, names = False, set()
    for number, line in _lines(path):
        if not header:
            if line != _HEADER:
                raise DataError(
                    f"{path}:{number}: {line[:60]!r} where {_HEADER!r} belongs: another format or semantics"
                )
            header = True
            continue
        try:
            case, answer = parse_line(line)
        except DataError as error:
            raise DataError(f"{path}:{number}: {error}") from error
        if case.name in names:
            raise DataError(f"{path}:{number}: a second case named {case.name}; names are unique in a file")
        names.add(case.name)
        yield number, case, answer
    if not names:
        raise DataError(f"{path}: no cases in it")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that are neither blank nor comments."""
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(_LONGEST + 1):
                number += 1
                if len(raw) > _LONGEST or number > _MOST_LINES:
                    raise DataError(f"{path}:{number}: at most {_MOST_LINES} lines of {_LONGEST} bytes are read")
                if not raw.isascii() or b"\0" in raw:
                    raise DataError(f"{path}:{number}: not ASCII text")
                line = raw.decode("ascii").rstrip("\r\n")
                if line and not line.startswith("#"):
                    yield number, line
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
