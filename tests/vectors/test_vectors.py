"""The committed test vectors: every backend passes them, wrong arithmetic does not, make.py writes the same again."""

import dataclasses
import importlib.util
import math
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conformance import Oracle

from pocketnn.arith import OPS, Flags, Overflow, Reference, Role, Vector, Word
from pocketnn.arith.how import HAVE_COMPILED
from pocketnn.errors import DataError
from pocketnn.vectors import VECTOR_BACKENDS, check_file, document, files, read, run

FOLDER = Path(__file__).resolve().parents[2] / "traces" / "vectors"

BACKENDS = {
    "oracle": Oracle,
    **VECTOR_BACKENDS,
    "numpy": lambda: Vector(compiled=False),
    "numpy-measured": lambda: Vector(measure=True, compiled=False),
    **({"compiled-measured": lambda: Vector(measure=True, compiled=True)} if HAVE_COMPILED else {}),
}


@pytest.fixture
def make(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))  # it imports the operands beside it
    spec = importlib.util.spec_from_file_location("make_vectors", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("op", OPS)
def test_every_backend_passes(op):
    for result in check_file(FOLDER / f"{op}.vec", BACKENDS):
        assert (result.backend, result.difference) == (result.backend, None)
        assert result.cases >= 50


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in ("vector", "numpy")])
def test_every_backend_that_measures_is_compared_in_its_ranges(backend):
    made = BACKENDS[backend]()
    for op in OPS:
        for _, case, answer in read(FOLDER / f"{op}.vec"):
            assert (run(case, made).span is None) == (answer.result.items == ()), case.name


def test_a_file_per_op_and_all_of_them_small():
    found = sorted(FOLDER.glob("*.vec"))
    assert sorted(OPS) == [path.stem for path in found]
    assert sum(path.stat().st_size for path in found) < 300_000


@pytest.mark.parametrize("op", OPS)
def test_every_width_mode_and_shape_is_there(op):
    cases = [(case, answer) for _, case, answer in read(FOLDER / f"{op}.vec")]
    assert {case.op.name for case, _ in cases} == {op}
    assert {case.to.word.bits for case, _ in cases} >= {2, 3, 8, 16, 32, 48}
    assert op == "load" or {word.bits for case, _ in cases for word in case.words} >= {2, 3, 8, 16, 32, 48}
    assert op == "load" or any(case.words[0] != case.to.word for case, _ in cases)
    for mode in Overflow:
        assert sum(answer.flags.events > 0 for case, answer in cases if case.to.overflow is mode) >= 5
    assert {answer.result.items == () for _, answer in cases} == {False, True}
    assert any(answer.flags.first > 0 for _, answer in cases)


def test_every_flag_is_there():
    seen = Counter()
    for op in OPS:
        for _, _, answer in read(FOLDER / f"{op}.vec"):
            seen.update({name: 1 for name, count in zip(Flags._fields, answer.flags, strict=True) if count > 0})
    assert min(seen[name] for name in Flags._fields) >= 20, seen


# --- arithmetic that is nearly right -----------------------------------------------------------------------


def _floored(a, b):
    return a // b


def _shifted(a, b):
    return a >> (abs(b).bit_length() - 1) if b else 1 // b


MUTANTS = {
    "div floors": ("div", {"exact": _floored}),
    "div shifts": ("div", {"exact": _shifted}),
    "mac narrows no product": ("mac", {"rounds": 1}),
    "sum narrows as if it were a product": ("sum", {"rounds": 2}),
    "mac backwards": ("mac", {"terms": lambda a, i: reversed(list(OPS["mac"].terms(a, i)))}),
    "sum backwards": ("sum", {"terms": lambda a, i: reversed(list(OPS["sum"].terms(a, i)))}),
    "argmax takes the last": ("argmax", {"exact": lambda *row: len(row) - 1 - row[::-1].index(max(row))}),
    "isqrt rounds": ("isqrt", {"exact": lambda a: (math.isqrt(4 * max(a, 0)) + 1) // 2}),
    "isqrt of |x|": ("isqrt", {"exact": lambda a: OPS["isqrt"].exact(abs(a))}),
    "clamp: lo wins": ("clamp", {"exact": lambda x, lo, hi: max(min(x, hi), lo)}),
    "select: x <= bound": ("select", {"exact": lambda *t: OPS["select"].exact(t[0] - 1, *t[1:])}),
    "gather: -1 is the last": ("gather", {"terms": lambda a, i: _wrapping_gather(a, i)}),
    "max of magnitudes": ("max", {"exact": lambda a, b: a if abs(a) > abs(b) else b}),
}


def _wrapping_gather(args, index):
    x, indices = args
    items = tuple(i % x.shape[-1] if x.shape[-1] else i for i in indices.items)
    return OPS["gather"].terms((x, dataclasses.replace(indices, items=items)), index)


class Mutant(Reference):
    """The Reference with another row in the op table."""

    def __init__(self, op, changes):
        self.op, self.changes = op, changes

    def apply(self, op, args, to, site):
        return super().apply(dataclasses.replace(op, **self.changes) if op.name == self.op else op, args, to, site)


@pytest.mark.parametrize("name", MUTANTS)
def test_an_op_that_is_nearly_right_is_found(name):
    op, changes = MUTANTS[name]
    (result,) = check_file(FOLDER / f"{op}.vec", {"mutant": lambda: Mutant(op, changes)})
    assert result.differing > 0


class Misfit(Reference):
    """The Reference with another register than asked for."""

    def __init__(self, change):
        self.change = change

    def apply(self, op, args, to, site):
        return super().apply(op, args, to if site.endswith(".operand") else self.change(to), site)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    "change",
    [
        lambda to: dataclasses.replace(to, overflow=Overflow.WRAP),
        lambda to: dataclasses.replace(to, overflow=Overflow.SATURATE),
        lambda to: dataclasses.replace(to, word=Word(min(48, to.word.bits + 1))),
        lambda to: dataclasses.replace(to, word=Word(max(2, to.word.bits - 1))),
    ],
    ids=["always wraps", "always saturates", "a bit too many", "a bit too few"],
)
def test_a_register_that_is_nearly_right_is_found(op, change):
    (result,) = check_file(FOLDER / f"{op}.vec", {"misfit": lambda: Misfit(change)})
    assert result.differing > 0


def test_a_lost_update_that_is_not_counted_is_found():
    deaf = lambda to: dataclasses.replace(to, role=Role.DELTA)  # noqa: E731 - a value like those above
    (result,) = check_file(FOLDER / "div.vec", {"deaf": lambda: Misfit(deaf)})
    assert "vanished: the file says 1, computed is 0" in result.difference


# --- make.py -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_the_files_are_what_make_writes(make, op):
    made = document(make.sections(op)).encode()
    assert made == (FOLDER / f"{op}.vec").read_bytes(), "run python traces/vectors/make.py"


@pytest.fixture
def copy(tmp_path):
    for path in FOLDER.glob("*.vec"):
        shutil.copy(path, tmp_path)
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_make_refuses_to_change_an_answer(make, copy, monkeypatch):
    before = contents(copy)
    monkeypatch.setitem(OPS, "isqrt", dataclasses.replace(OPS["isqrt"], exact=lambda a: max(a, 0)))
    with pytest.raises(DataError, match=r"isqrt\.vec:\d+: isqrt-i\d+-\d+: element .* computed is \d+: .* SEMANTICS"):
        make.main(copy)
    assert contents(copy) == before


def test_make_changes_answers_under_another_number(make, copy, monkeypatch):
    before = contents(copy)
    monkeypatch.setitem(OPS, "isqrt", dataclasses.replace(OPS["isqrt"], exact=lambda a: max(a, 0)))
    monkeypatch.setattr(files, "_HEADER", "pocketnn-vectors 1 semantics 2")
    make.main(copy)
    after = contents(copy)
    assert after["isqrt.vec"].splitlines()[1:] != before["isqrt.vec"].splitlines()[1:]
    assert after["add.vec"].splitlines()[1:] == before["add.vec"].splitlines()[1:]
    assert list(read(copy / "isqrt.vec"))


def test_make_writes_into_an_empty_folder_and_again(make, tmp_path):
    make.main(tmp_path)
    first = contents(tmp_path)
    make.main(tmp_path)
    assert contents(tmp_path) == first == {path.name: path.read_bytes() for path in FOLDER.glob("*.vec")}


# --- README ------------------------------------------------------------------------------------------------

README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_lines_of_the_files():
    block = README.split("```")[1].strip().splitlines()
    assert len(block) == 3
    for line in block:
        assert line in (FOLDER / f"{line.split()[1]}.vec").read_text().splitlines()


def test_the_readme_names_every_op_and_field():
    for name in [*OPS, "exact", "reach", "overflow", "elements", "transient", "first", "vanished", "zero-division"]:
        assert re.search(rf"`{name}[`=]", README), name
    assert f"`{files._HEADER}`" in README
