"""JSON from outside: bounds, and shapes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketnn.errors import DataError
from pocketnn.outside import COUNT, Each, check_shape, parse_json, read_json, read_within

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39) + 1, 10**39)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
)


@given(plain, st.booleans())
def test_what_json_writes_is_read(value, plain_ascii):
    assert parse_json(json.dumps(value, ensure_ascii=plain_ascii), "x") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("NaN", "not JSON"),
        ("[1, -Infinity]", "not JSON"),
        ("1e999", "the number 1e999 is beyond all bounds"),
        ("-1" + "0" * 400 + ".5", "beyond all bounds"),
        ("1" * 41, "an integer of 41 digits; at most 40 are read"),
        ("-" + "1" * 5000, "an integer of 5001 digits"),
        ("[" * 100_000, "not JSON"),
        (r'["\ud800"]', r"a text has characters that cannot be shown: '\ud800'"),
        (r'{"a": {"\u001b]0;": 1}}', r"'\x1b]0;'"),
        (r'"\u009b2J"', "cannot be shown"),
        ("\x00", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\xff", "not JSON"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(DataError) as error:
        parse_json(text, "file:3")
    assert str(error.value).startswith("file:3: ")
    assert words in str(error.value)
    assert str(error.value).isprintable()


def test_pairs_of_surrogates_and_line_ends_are_text():
    assert parse_json(r'"\ud83d\ude00\n\t"', "x") == "\U0001f600\n\t"


def test_no_more_is_read_than_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"[1,2]")
    assert read_within(path, 5) == b"[1,2]"
    assert read_json(path, 5) == [1, 2]
    with pytest.raises(DataError, match="more than 4 bytes"):
        read_within(path, 4)
    for missing in (tmp_path, tmp_path / "none", tmp_path / "file" / "x"):
        with pytest.raises(DataError, match=f"{missing}: "):
            read_json(missing, 4)


SHAPES = [
    (int, [0, -5, 10**39], [True, 1.0, "1", None, [], {}]),
    (str, ["", "a"], [1, None, []]),
    (bool, [True], [1, 0, None]),
    (None, [None], [0, False, "", [], {}]),
    (range(2, 5), [2, 4], [1, 5, True, "3", 3.0]),
    (COUNT, [0], [-1, 1 << 63]),
    (frozenset({"a", "b"}), ["a"], ["c", "", 1, [], {}]),
    ([int], [[], [1, 2]], [1, {}, [1, "2"], [[1]], None]),
    ({"a": int}, [{"a": 1}, {"a": 2, "b": 0}], [{}, {"a": "1"}, [], 1, {"b": 1}]),
    (Each(int), [{}, {"x": 1}], [{"x": "1"}, [], 3]),
    (Each(int, frozenset({"x"})), [{"x": 1}], [{"y": 1}, {"x": 1, "y": 1}]),
    ((None, {"a": [COUNT]}), [None, {"a": [3]}], [{"a": [-3]}, {"a": None}, 0]),
    ((range(1, 9), [range(1, 9)]), [1, [1, 2]], [0, [0], "1"]),
]


@pytest.mark.parametrize(("shape", "right", "wrong"), SHAPES)
def test_shapes(shape, right, wrong):
    for value in right:
        check_shape(value, shape, "x")
    for value in wrong:
        with pytest.raises(DataError, match=r"^x: "):
            check_shape(value, shape, "x")


def test_the_message_says_where_what_and_what_belongs_there():
    shape = {"runs": [{"size": {"text": COUNT}, "kind": (None, frozenset({"a", "b"}))}]}
    for value, text in (
        ({"runs": [{"size": {"text": -1}, "kind": "a"}]}, "f: runs[0].size.text is -1; a whole number from 0 to "),
        ({"runs": [{"size": {"text": 1}, "kind": "c"}]}, "f: runs[0].kind is 'c'; null or one of a, b belongs here"),
        ({"runs": [{"size": [], "kind": "c"}]}, "f: runs[0].size is a list of 0; an object belongs here"),
        ({"runs": [{"size": {}}]}, "f: runs[0].size.text is missing"),
    ):
        with pytest.raises(DataError) as error:
            check_shape(value, shape, "f")
        assert str(error.value).startswith(text)
