"""Test vectors as text, a case a line: what each op of the table gives, for any implementation to be held against."""

from pocketnn.vectors.files import document, read
from pocketnn.vectors.run import VECTOR_BACKENDS, FileResult, check_file, difference, run
from pocketnn.vectors.text import Answer, Case, line_of, parse_line

__all__ = [
    "VECTOR_BACKENDS",
    "Answer",
    "Case",
    "FileResult",
    "check_file",
    "difference",
    "document",
    "line_of",
    "parse_line",
    "read",
    "run",
]
