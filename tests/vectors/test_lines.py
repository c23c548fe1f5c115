"""The grammar of test vectors: what is written is read back, and nothing else is read."""

import os

import pytest
from conformance import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.arith import CLEAN, OPS, Flags, Overflow, Reference, Register, Role, Span, Tensor, Word
from pocketnn.errors import DataError
from pocketnn.vectors import Answer, Case, check_file, difference, document, files, line_of, parse_line, read, run
from pocketnn.vectors.fields import PARAMS

ADD = "add-i8-001 add i8 i8 wrap 127 1 -> -128 exact=128 overflow"
MAC = "m mac i8 i8 wrap 1x3:100,100,-100 3x1:1;1;1 -> 1x1:100 reach=-100..200 overflow=2 transient"
GOOD = (
    ADD,
    MAC,
    "load-i8-1 load - i8:constant saturate 3:1,2,300 -> 3:1,2,127 exact=1..300 overflow first=2",
    "d div i16 i16:update wrap 4:7,-7,7,0 4:100,2,0,0 -> 4:0,-3,32767,32767 vanished zero-division=2",
    "s sum i16 i8 wrap 2x2:1,2;300,4 axis=0 -> 1x2:45,6 exact=6..301 reach=0..301 overflow",
    "s2 select i8,i16,i8 i8 wrap 0 0: 1:5 -> 5",
    "g gather i8 i8 wrap 2x2:1,2;3,4 indices=1x2:-1,1 -> 2x1x2:0,2;0,4",
    "t transpose i8 i8 wrap 7 axes=- -> 7",
    "t2 transpose i8 i8 wrap 0x2: axes=1,0 -> 2x0:",
    "r reshape i8 i8 wrap 1:7 shape=- -> 7",
    "a argmax i2 i2 wrap 3:0,0,1 -> -2 exact=2 overflow",
)


def as_case(case):
    """A case of the conformance suite as a test vector's."""
    operands = tuple(Tensor(array.shape, tuple(int(x) for x in array.flat)) for array, _ in case.operands)
    words = () if case.op == "load" else tuple(word for _, word in case.operands)
    return Case("case", OPS[case.op], operands, words, case.to, case.params)


# --- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_written_is_read_back(op, data):
    case = as_case(data.draw(CASES[op]))
    answer = run(case, Reference())
    line = line_of(case, answer)
    assert parse_line(line) == (case, answer)
    assert line.isascii()
    assert line.isprintable()


counts = st.integers(0, 999_999_999)
numbers = st.integers(-(10**40) + 1, 10**40 - 1)
small = st.integers(-128, 127)


@given(
    st.lists(small, max_size=3).map(lambda items: Tensor((len(items),), tuple(items))),
    st.tuples(counts, counts, counts, counts, counts, st.integers(-1, 999_999_999)),
    st.tuples(numbers, numbers, numbers, numbers),
)
def test_every_answer_can_be_written_also_a_wrong_one(result, flags, span):
    events, elements, transient, vanished, zero_divisions, first = flags
    if events and first < 0:
        first = 0  # the first of some events is somewhere
    case = Case("c", OPS["neg"], (result,), (Word(9),), Register(Role.ACCUMULATOR, Word(8)))
    known = Flags(events, elements, transient, elements - transient, vanished, zero_divisions, first)
    answer = Answer(result, known, Span(*span) if result.items else None)
    assert parse_line(line_of(case, answer)) == (case, answer)


@pytest.mark.parametrize("line", GOOD)
def test_a_line_is_read_and_written_the_same(line):
    case, answer = parse_line(line)
    assert line_of(case, answer) == line
    assert difference(answer, run(case, Reference())) is None


def test_what_a_line_means():
    case, answer = parse_line(MAC)
    assert case == Case(
        "m",
        OPS["mac"],
        (Tensor((1, 3), (100, 100, -100)), Tensor((3, 1), (1, 1, 1))),
        (Word(8), Word(8)),
        Register(Role.ACCUMULATOR, Word(8), Overflow.WRAP),
    )
    assert answer == Answer(Tensor((1, 1), (100,)), Flags(2, 1, 1, 0, 0, 0, 0), Span(100, 100, -100, 200))
    case, answer = parse_line(GOOD[3])
    assert case.to == Register(Role.UPDATE, Word(16), Overflow.WRAP)
    assert answer.flags == CLEAN._replace(vanished=1, zero_divisions=2)


def test_every_parameter_of_the_op_table_can_be_written():
    assert {name for op in OPS.values() for name in op.params} == set(PARAMS)


@given(st.sampled_from(GOOD), st.data())
def test_a_damaged_line_is_refused_or_says_something_else(line, data):
    at = data.draw(st.integers(0, len(line) - 1))
    put = data.draw(
        st.text(st.characters(codec="ascii"), max_size=3) | st.sampled_from(["0", "-", "x", ";", " ", "=9"])
    )
    damaged = line[:at] + put + line[at + data.draw(st.integers(0, 3)) :]
    try:
        case, answer = parse_line(damaged)
    except DataError as error:
        assert len(str(error)) < 500
    else:
        assert line_of(case, answer) == damaged


# --- lines that are refused --------------------------------------------------------------------------------

TAIL = " -> -128 exact=128 overflow"
BAD = [
    ("x", "NAME OP WORDS DESTINATION MODE OPERANDS -> RESULT"),
    ("x add i8 i8 wrap 1 2 3", "NAME OP WORDS"),
    ("x add i8 i8 -> 3", "NAME OP WORDS"),
    ("x add i8 i8 wrap 1 2 ->", "NAME OP WORDS"),
    ("x add i8 i8 wrap 1 2 -> 3 -> 3", "NAME OP WORDS"),
    ("X add i8 i8 wrap 1 2 -> 3", "name 'X': lower-case"),
    (f"{'x' * 65} add i8 i8 wrap 1 2 -> 3", "at most 64"),
    ("x plus i8 i8 wrap 1 2 -> 3", "unknown op 'plus'; known are load, add"),
    ("x add i1 i8 wrap 0 0 -> 0", "word width is 1"),
    ("x add i49 i8 wrap 0 0 -> 0", "word width is 49"),
    ("x add 8 i8 wrap 1 2 -> 3", "'8' where a word like i8"),
    ("x add i8 i8.5 wrap 1 2 -> 3", "'i8.5' where a word"),
    ("x add i8,i8,i8 i8 wrap 1 2 -> 3", "add takes 2 operands; give one word for all or one each"),
    ("x add i8,i8 i8 wrap 1 2 -> 3", "the one way to write it"),
    ("x add - i8 wrap 1 2 -> 3", "'-' where a word"),
    ("x load i8 i8 wrap 1 -> 1", "what load takes is in no register yet"),
    ("x add i8 i8:boss wrap 1 2 -> 3", "unknown role 'boss'; known are input"),
    ("x add i8 i8: wrap 1 2 -> 3", "unknown role ''"),
    ("x add i8 i8:accumulator wrap 1 2 -> 3", "the one way to write it"),
    ("x add i8 i8 clip 1 2 -> 3", "unknown overflow 'clip'; known are wrap, saturate"),
    ("x add i8 i8 wrap 1 -> 3", "add takes 2 operands; found 1"),
    ("x add i8 i8 wrap 1 2 3 -> 3", "found 3"),
    ("x add i8 i8 wrap 1 axis=2 -> 3", "'axis=2' where an integer"),
    ("x add i8 i8 wrap 128 2 -> -126", "128 does not fit i8, which holds -128 to 127"),
    ("x add i8,i16 i8 wrap 1 40000 -> 1", "40000 does not fit i16"),
    ("x add i8 i8 wrap 127 1 -> 128", "128 does not fit i8"),
    ("x add i8 i8 wrap one 2 -> 3", "'one' where an integer"),
    ("x add i8 i8 wrap 1.0 2 -> 3", "'1.0' where an integer"),
    ("x add i8 i8 wrap 1_0 2 -> 12", "'1_0' where an integer"),
    ("x add i8 i8 wrap +1 2 -> 3", "'+1' where an integer"),
    ("x add i8 i8 wrap 01 2 -> 3", "column 18"),
    ("x add i8 i8 wrap -0 2 -> 2", "the one way to write it"),
    ("x add i8 i8 wrap  1 2 -> 3", "found 3 fields"),
    ("x add i8 i8 wrap 1 2 -> 3 ", "'' after the result"),
    ("x\tadd i8 i8 wrap 1 2 -> 3", "name 'x\\tadd'"),
    (f"x load - i8 wrap {'9' * 41} -> 0", "at most 40 digits"),
    ("x add i8 i8 wrap 2:1 2 -> 2:3,3", "shape 2 has 2 elements, found 1"),
    ("x add i8 i8 wrap 2:1,2,3 2 -> 2:3,3", "found 3"),
    ("x add i8 i8 wrap 2:1;2 2 -> 2:3,4", "the one way to write it"),
    ("x add i8 i8 wrap 2x1:1,2 2 -> 2x1:3;4", "the one way to write it"),
    ("x add i8 i8 wrap 2:1, 2 -> 2:3,3", "'' where an integer"),
    ("x add i8 i8 wrap :1 2 -> 3", "where a shape like 2x3"),
    ("x add i8 i8 wrap -:1 2 -> 3", "the one way to write it"),
    ("x add i8 i8 wrap 2x:1,2 2 -> 2:3,4", "where a shape"),
    ("x add i8 i8 wrap -1:1 2 -> 3", "where a shape"),
    ("x add i8 i8 wrap 1:1:1 2 -> 3", "where a shape"),
    ("x neg i8 i8 wrap 1x1x1x1x1x1x1x1x1:1 -> 1", "at most 8 axes"),
    ("x neg i8 i8 wrap 1025x0: -> 1025x0:", "more than 1024 elements"),
    ("x neg i8 i8 wrap 999999999x999999999: -> 0:", "more than 1024 elements"),
    ("x neg i8 i8 wrap 9999999999999999999: -> 0:", "where a shape"),
    ("x mac i8 i8 wrap 1000x0: 0x1000: -> 1000x1000:", "more than 1024 elements"),
    ("x mac i8 i8 wrap 1000x0: 0x1000: -> 0:", "the result has shape 0; these operands give 1000x1000"),
    ("x add i8 i8 wrap 1 2 -> 1:3", "the result has shape 1; these operands give -"),
    ("x add i8 i8 wrap 2:1,2 3:1,2,3 -> 3", "do not broadcast"),
    ("x mac i8 i8 wrap 1x2:1,2 1x2:1,2 -> 1x1:3", "mac needs (N, K) and (K, M)"),
    ("x sum i8 i8 wrap 2:1,2 axis=1 -> 2:1,2", "axis 1 does not exist"),
    ("x sum i8 i8 wrap 2:1,2 axis=-1 -> 1:3", "axis -1 does not exist"),
    ("x sum i8 i8 wrap 2:1,2 axes=0 -> 1:3", "'axes=0' where axis= belongs"),
    ("x sum i8 i8 wrap 2:1,2 axis= -> 1:3", "'' where an integer"),
    ("x sum i8 i8 wrap 2:1,2 -> 1:3", "sum takes 1 operands axis; found 1"),
    ("x gather i8 i8 wrap 2:1,2 indices=2 -> 0", "gather index out of range"),
    ("x transpose i8 i8 wrap 1x2:1,2 axes=0 -> 1x2:1,2", "not a permutation"),
    ("x transpose i8 i8 wrap 1x2:1,2 axes=1,,0 -> 2x1:1;2", "'' where an integer"),
    ("x reshape i8 i8 wrap 2:1,2 shape=3 -> 3:1,2,3", "cannot be reshaped"),
    ("x reshape i8 i8 wrap 1:1 shape= -> 1", "'' where a shape"),
    ("x argmax i8 i8 wrap 0: -> 0", "argmax needs a last axis"),
    ("x select i8 i8 wrap 1 1:2 1:3 -> 3", "select needs T bounds and T+1 choices"),
    (f"{ADD} loud", "'loud' after the result; known are exact"),
    (f"{ADD} elements", "'elements' after the result"),
    (f"{ADD} overflow", "the one way to write it"),
    (f"{ADD}=1", "the one way to write it"),
    (f"{ADD}=", "'' where a count"),
    (f"{ADD}=-1", "'-1' where a count"),
    (f"{ADD}=9999999999", "at most 9 digits"),
    (f"{ADD} transient=0", "the one way to write it"),
    (f"{ADD} elements=1", "the one way to write it"),
    (f"{ADD} first=0", "the one way to write it"),
    ("x add i8 i8 wrap 1 2 -> 3 exact=3", "the one way to write it"),
    ("x add i8 i8 wrap 1 2 -> 3 exact=3..", "'' where an integer"),
    ("x add i8 i8 wrap 1 2 -> 3 exact=4..4", "the one way to write it"),
    ("x add i8 i8 wrap 1 2 -> 3 exact", "'exact' after the result"),
    ("x add i8 i8 wrap 127 1 -> -128 overflow exact=128", "the one way to write it"),
    ("x neg i8 i8 wrap 0: -> 0: reach=1..2", "the one way to write it"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[line[:60] for line, _ in BAD])
def test_a_bad_line_is_refused(tmp_path, line, message):
    with pytest.raises(DataError) as error:
        parse_line(line)
    assert message in str(error.value)
    path = tmp_path / "bad.vec"
    path.write_text(f"{files._HEADER}\n# good, then bad\n{GOOD[0]}\n\n{line}\n")
    with pytest.raises(DataError) as error:
        list(read(path))
    assert str(error.value).startswith(f"{path}:5: ")
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 600


# --- files -------------------------------------------------------------------------------------------------

HEADER = files._HEADER.encode()


def test_a_file_is_written_and_read(tmp_path):
    pairs = [parse_line(line) for line in GOOD]
    text = document([("About\nthis file", []), ("Adding", pairs[:1]), ("The rest", pairs[1:])])
    assert text.splitlines()[:5] == [files._HEADER, "# About", "# this file", "# Adding", ADD]
    path = tmp_path / "good.vec"
    path.write_text(text)
    assert [(case, answer) for _, case, answer in read(path)] == pairs
    assert [number for number, _, _ in read(path)] == [5, *range(7, 7 + len(pairs) - 1)]


def test_lines_may_end_as_on_other_systems(tmp_path):
    path = tmp_path / "crlf.vec"
    path.write_bytes(HEADER + b"\r\n# comment\r\n\r\n" + ADD.encode() + b"\r\n" + MAC.encode())
    assert [number for number, _, _ in read(path)] == [4, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no cases in it"),
        (b"# nothing\n", "no cases in it"),
        (HEADER + b"\n# nothing\n", "no cases in it"),
        (ADD.encode(), ":1: 'add-i8-001 add i8"),
        (b"pocketnn-vectors 2 semantics 1\n", ":1: 'pocketnn-vectors 2 semantics 1' where"),
        (b"# c\npocketnn-vectors 1 semantics 999\n", ":2: 'pocketnn-vectors 1 semantics 999' where"),
        (b"[{}]", "another format or semantics"),
        (HEADER + b"\n" + ADD.encode() + b"\n" + ADD.encode(), ":3: a second case named add-i8-001"),
        (HEADER + b"\n" + ADD.encode() + b"\n\xff\xfe", ":3: not ASCII"),
        (HEADER + b"\n# \xc3\xa4\n", ":2: not ASCII"),
        (HEADER + b"\n#\0\n", ":2: not ASCII"),
        (HEADER + b"\n#" + b"x" * 70000, ":2: at most 100000 lines of 65536 bytes"),
        (b"\n" * 100001, ":100001: at most 100000 lines"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.vec"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(read(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        list(read(tmp_path / "none.vec"))
    with pytest.raises(DataError, match="directory"):
        list(read(tmp_path))


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a file without an end")
def test_an_endless_file_is_refused(tmp_path):
    endless = tmp_path / "endless.vec"
    endless.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="at most"):
        list(read(endless))


# --- differences in words ----------------------------------------------------------------------------------

RIGHT = parse_line(GOOD[2])[1]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (RIGHT._replace(result=Tensor((1, 3), RIGHT.result.items)), "the file has shape (3,), computed was (1, 3)"),
        (RIGHT._replace(result=Tensor((3,), (1, 5, 6))), "element [1]: the file says 2, computed is 5"),
        *(
            (RIGHT._replace(flags=RIGHT.flags._replace(**{name: 7})), f"{name}: the file says {count}, computed is 7")
            for name, count in RIGHT.flags._asdict().items()
        ),
        *(
            (RIGHT._replace(span=RIGHT.span._replace(**{name: 7})), f"exact {name}: the file says {end}, computed is 7")
            for name, end in RIGHT.span._asdict().items()
        ),
        (RIGHT._replace(span=None), None),
        (RIGHT, None),
    ],
)
def test_the_first_difference_is_named(wrong, words):
    assert difference(RIGHT, wrong) == words


def test_a_range_where_there_is_none_is_a_difference():
    nothing = Answer(Tensor((0,), ()), CLEAN, None)
    assert difference(nothing, nothing) is None
    found = difference(nothing, nothing._replace(span=Span(0, 0, 0, 0)))
    assert found == "exact lo: the file says None, computed is 0"


def test_the_first_case_that_differs_is_named(tmp_path):
    path = tmp_path / "wrong.vec"
    lines = [ADD, MAC.replace("overflow=2", "overflow=3"), GOOD[6].replace("0,4", "0,5")]
    path.write_text("\n".join([files._HEADER, *lines]))
    results = list(check_file(path))
    assert [r.backend for r in results] == ["reference", "vector", "vector-measured"]
    for r in results:
        assert (r.file, r.cases, r.differing) == (str(path), 3, 2)
        assert r.difference == "line 3, m: events: the file says 3, computed is 2"


def test_a_range_is_compared_where_it_is_measured(tmp_path):
    path = tmp_path / "wrong.vec"
    path.write_text(f"{files._HEADER}\n{ADD.replace('exact=128', 'exact=129')}\n")
    found = {r.backend: r.difference for r in check_file(path)}
    assert found["vector"] is None
    words = "line 2, add-i8-001: exact lo: the file says 129, computed is 128"
    assert found["reference"] == found["vector-measured"] == words
