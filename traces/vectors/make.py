"""Write the test vectors of this folder: designed operands, and what the plain-integer definition makes of them.

`python traces/vectors/make.py` writes a file per op beside this script. It refuses to change the answer to operands
that are already there: an op that computes something else is another arithmetic, and needs the next number in
`SEMANTICS` (pocketnn/arith/semantics.py).
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from designed import SECTIONS

from pocketnn.arith import OPS, Overflow, Reference
from pocketnn.errors import DataError, PocketNNError
from pocketnn.files import atomic_write
from pocketnn.vectors import Answer, Case, difference, document, line_of, read, run

HERE = Path(__file__).resolve().parent

Sections = list[tuple[str, list[tuple[Case, Answer]]]]


def sections(name: str) -> Sections:
    """The cases of an op, named and answered.

    Operands that were designed twice are taken once, and arrays in which nothing overflows only with wraparound.
    """
    numbers: Counter[int] = Counter()
    seen: set[str] = set()
    found: Sections = []
    for about, drafts in SECTIONS[name]():
        cases = []
        for operands, words, to, params in drafts:
            case = Case(name, OPS[name], operands, words, to, params)
            answer = run(case, Reference())
            line = line_of(case, answer)
            dull = to.overflow is Overflow.SATURATE and answer.result.shape and not answer.flags.events
            if dull or line in seen:
                continue
            seen.add(line)
            numbers[to.word.bits] += 1
            label = f"{name}-i{to.word.bits}-{numbers[to.word.bits]:03d}"
            cases.append((replace(case, name=label), answer))
        found.append((about, cases))
    return found


def refuse_new_answers(path: Path) -> None:
    """Raise DataError if a case in the file at `path` has another answer by now."""
    for number, case, answer in read(path):
        found = difference(answer, run(case, Reference()))
        if found:
            raise DataError(
                f"{path}:{number}: {case.name}: {found}: that is another arithmetic; if it is meant, raise SEMANTICS "
                "in pocketnn/arith/semantics.py, and say so in CHANGELOG.md"
            )


def same_semantics(path: Path) -> bool:
    """Whether the file at `path` is there and has the header that files have now."""
    return path.exists() and path.read_bytes().startswith(document([]).encode("ascii"))


def main(folder: Path = HERE) -> None:
    """Write every file, or none if any answer has changed."""
    made = {folder / f"{name}.vec": sections(name) for name in OPS}
    for path in made:
        if same_semantics(path):  # under another number answers may differ
            refuse_new_answers(path)
    for path, new in made.items():
        with atomic_write(path) as file:
            file.write(document(new).encode("ascii"))


if __name__ == "__main__":
    try:
        main()
    except (PocketNNError, OSError) as error:
        sys.exit(f"make.py: {error}")
