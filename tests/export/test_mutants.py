"""Faults planted in generated C, one at a time: designed inputs and a digest of every result must catch each."""

import re

import pytest
from exporting import export_digits, machine, require

from pocketnn.arith import Overflow
from pocketnn.export import export, run_boundaries, run_target, verify_device
from pocketnn.trace import Trace

# program, file, what (regular expression, its first match), instead
MUTANTS = [
    ("infer", "network.c", r"k < 64;", "k < 63;"),
    ("infer", "network.c", r"i < 16;", "i < 15;"),
    ("train", "network.c", r"acc = 0;", "acc = 1;"),
    ("train", "network.c", r"acc = acc \+", "acc = acc -"),
    ("train", "network.c", r"\[i \* 64 \+ k\]", "[i * 63 + k]"),
    ("train", "network.c", r"\[k \* 16 \+ j\]", "[j * 16 + k]"),
    ("train", "network.c", r"k < 4;", "k < 3;"),
    ("train", "network.c", r"\(unsigned\)\(acc\)", "(unsigned)(acc + 1u)"),
    ("train", "network.c", r"x & 0xFFFFu", "x & 0x7FFFu"),
    ("train", "network.c", r"- 1\);", "- 2);"),
    ("train", "network.c", r"GREATEST\(a, b\) \(\(a\) >", "GREATEST(a, b) ((a) <"),
    ("train", "network_tables.h", r"\(\(int16_t\)-100\)", "((int16_t)-99)"),
    ("train", "network_tables.h", r"#define LOSS_TWO \(\(int16_t\)2\)", "#define LOSS_TWO ((int16_t)3)"),
    ("wrap", "network_tables.h", r"\(int16_t\)256", "(int16_t)255"),
    ("train", "network_tables.h", r"(load_feedback\[\d+\] = \{\s*)(-?\d+)", r"\g<1>1\g<2>"),
    ("wrap", "network.c", r"!\((\w+\[i\]) < ", r"!(\1 <= "),
    ("wrap", "network.c", r"best = k;", "best = 0;"),
    ("wrap", "network.c", r"> (\w+\[.*best\])", r">= \1"),
    ("wrap", "network.c", r"== -1\)", "== 1)"),
    ("wrap", "network.c", r"(quotients: (?:.|\n)*?)= 32767;", r"\1= 32766;"),
    ("wrap", "network.c", r" / (\w+\[)", r" % \1"),
    ("wrap", "network.c", r"k < 6 &&", "k < 5 &&"),
    ("saturate", "network.c", r"x > 32767 \? 32767", "x > 32767 ? 32766"),
    ("saturate", "network.c", r"x < -32768 \?", "x < -32769 ?"),
    ("saturate", "network.c", r"x < -32768 \? -32768", "x < -32768 ? -32767"),
    ("saturate", "network.c", r"LEAST\(a, b\) \(\(a\) <", "LEAST(a, b) ((a) >"),
    *[("wrap", "network_tables.h", rf"(below\[6\] = \{{\s*(?:-?\d+,\s*){{{i}}})(-?\d+)", i) for i in range(6)],
    *[("wrap", "network_tables.h", rf"(plus\[7\] = \{{\s*(?:-?\d+,\s*){{{i}}})(-?\d+)", i) for i in (0, 2, 5)],
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The exported programs, by name; all of them right as they are."""
    require("host")
    folder = tmp_path_factory.mktemp("mutants")
    export_digits(machine(16), folder / "train", True, 12)
    export_digits(machine(16), folder / "infer", False, 2)
    for overflow in Overflow:
        m = machine(16, overflow, accumulator=32)
        export(m, lambda m, steps: run_boundaries(m, "pocket_sigmoid", 64, steps), folder / overflow.value, 1)
    for name in ("train", "infer", "wrap", "saturate"):
        assert first_difference(folder / name) is None
    return folder


def first_difference(folder):
    with Trace(folder / "golden.trace") as trace:
        log = run_target(folder, "host", options={"OPT": "-O0", "WARNINGS": ""})
        return verify_device(log, trace).first


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{p}-{i}" for i, (p, *_) in enumerate(MUTANTS)])
def test_every_planted_fault_is_caught(programs, mutant):
    program, name, what, instead = mutant
    path = programs / program / name
    original = path.read_text()
    if isinstance(instead, int):  # one more than the number found

        def instead(found):
            return f"{found[1]}{int(found[2]) + 1}"

    changed, count = re.subn(what, instead, original, count=1)
    assert count == 1
    try:
        path.write_text(changed)
        assert first_difference(programs / program) is not None
    finally:
        path.write_text(original)
