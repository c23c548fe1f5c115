"""Weights files."""

import io
import json
import os
import pickle
import shutil
import signal
import struct
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pocketnn import files
from pocketnn.errors import DataError, UsageError
from pocketnn.weights import check_target, load_weights, save_weights


def network(dims=(3, 4, 2), norm=False, seed=0):
    rng = np.random.default_rng(seed)
    names = [*(f"fc{i}" for i in range(1, len(dims) - 1)), "fcLast"]
    result = {}
    for name, n, m in zip(names, dims, dims[1:], strict=False):
        result[f"{name}_weight"] = rng.integers(-(1 << 47), 1 << 47, (n, m))
        for kind in ("bias", "gamma", "beta") if norm else ("bias",):
            result[f"{name}_{kind}"] = rng.integers(-99, 99, (1, m))
    return result


shown = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.booleans(),
    st.sampled_from(["w.npz", "w"]),
    st.dictionaries(shown, st.integers() | shown, max_size=3),
)
def test_round_trip(tmp_path_factory, dims, norm, name, meta):
    path = tmp_path_factory.mktemp("weights") / name
    parameters = network(tuple(dims), norm)
    for _ in range(2):  # the second time over the first
        save_weights(path, parameters, meta)
        back, described = load_weights(path)
        assert list(back) == list(parameters)
        assert all(np.array_equal(back[key], parameters[key]) for key in parameters)
        assert described == meta
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_the_references_folder_comes_back_byte_for_byte(golden, tmp_path):
    source = golden / "mnist-3-epochs"
    parameters, meta = load_weights(source)
    assert meta == {}
    assert parameters["fc1_weight"].shape == (784, 100)
    save_weights(tmp_path / "copy", parameters, meta)
    assert {p.name: p.read_bytes() for p in source.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "copy").iterdir()
    }


def refused(path, *words):
    with pytest.raises(DataError) as error:
        load_weights(path)
    for word in (str(path), *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("fc1_weight.csv", "1,2\n3\n", ["row 2 has 1 numbers, row 1 has 2"]),
        ("fc1_weight.csv", "1,2.5\n", ["row 1, column 2", "'2.5'"]),
        ("fc1_weight.csv", "1,nan\n", ["'nan'"]),
        ("fc1_weight.csv", "1,,3\n", ["column 2", "''"]),
        ("fc1_weight.csv", "", ["no numbers"]),
        ("fc1_weight.csv", "\n", ["no numbers"]),
        ("fc1_weight.csv", f"{1 << 47}\n", ["140737488355328", "48 bits"]),
        ("fc1_weight.csv", "9" * 5000, ["integer"]),
        ("fc1_weight.csv", "\xff\xfe", ["integer"]),
        ("fcLast_bias.csv", "1,2,3\n", ["(1, 3)", "(1, 2)"]),
        ("fcLast_weight.csv", "1,2\n", ["fcLast_weight has 1 rows", "4 outputs"]),
        ("meta.json", "{", ["JSON"]),
        ("meta.json", "[1]", ["[1]"]),
        ("meta.json", '{"a": 1.5}', ["1.5"]),
    ],
)
def test_bad_csv(tmp_path, file, content, words):
    path = tmp_path / "w"
    save_weights(path, network(), {})
    (path / file).write_text(content, encoding="latin-1")
    refused(path, *words)


@pytest.mark.parametrize("name", ["fc1_weight", "fc1_bias", "fcLast_weight", "fcLast_bias", "fc1_gamma"])
def test_missing_matrix(tmp_path, name):
    path = tmp_path / "w"
    save_weights(path, network(norm=True), {})
    (path / f"{name}.csv").unlink()
    refused(path, f"{name} is missing")


def test_missing_layer(tmp_path):
    path = tmp_path / "w"
    save_weights(path, network((3, 4, 5, 2)), {})
    for file in path.glob("fc1_*"):
        file.unlink()
    refused(path, "fc1_weight is missing")


def test_empty_folder(tmp_path):
    refused(tmp_path, "fcLast_weight is missing")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"fcLast_weight": np.ones((2, 2))}, ["fcLast_weight is float64"]),
        ({"fcLast_weight": np.ones(2, int)}, ["1 dimensions"]),
        ({"fcLast_weight": np.ones((0, 2), int)}, ["fcLast_weight"]),
        ({"fcLast_weight": np.full((2, 2), 1 << 62)}, [str(1 << 62), "48 bits"]),
        ({"fcLast_weight": np.full((2, 2), 2**64 - 1, np.uint64)}, ["48 bits"]),
        ({"other": np.ones((2, 2), int)}, ["'other'"]),
        ({"fcLast_weight": np.array([[None]])}, ["not a weights file"]),
        ({"meta": np.array("{")}, ["JSON"]),
    ],
)
def test_bad_npz(tmp_path, arrays, words):
    path = tmp_path / "w.npz"
    np.savez(path, **arrays)
    refused(path, *words)


def test_what_is_no_npz(tmp_path):
    refused(tmp_path / "none.npz", "No such file")
    path = tmp_path / "text.npz"
    path.write_text("hello")
    refused(path, "not a weights file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "no array")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fcLast_weight.npy", b"\x93NUMPY\x01\x00")
    refused(path, "not a weights file")


def test_zip_bomb_is_refused_by_its_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("pocketnn.weights._MAX_BYTES", 1000)
    path = tmp_path / "w.npz"
    np.savez_compressed(path, fcLast_weight=np.zeros((100, 100), int))
    refused(path, "at most 1000")
    folder = tmp_path / "w"
    save_weights(folder, network((30, 30)), {})
    refused(folder, "at most 1000")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_any_damage_gives_a_clear_error_or_whole_weights(tmp_path_factory, place, value, cut):
    path = tmp_path_factory.mktemp("damage") / "w.npz"
    save_weights(path, network(), {"activation": "as_is"})
    content = bytearray(path.read_bytes())
    at = place % len(content)
    if cut:
        del content[at:]
    else:
        content[at] = value
    path.write_bytes(content)
    try:
        parameters, _ = load_weights(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert set(parameters) == set(network())


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    (path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="something other than weights"):
        save_weights(path, network(), {})
    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError):
        save_weights(path / "thesis.tex", network(), {})


@pytest.mark.parametrize("name", ["w.npz", "w"])
def test_a_failed_save_leaves_the_old_weights_and_nothing_else(tmp_path, monkeypatch, name):
    path = tmp_path / name
    save_weights(path, network(seed=1), {})
    before = load_weights(path)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    monkeypatch.setattr("pathlib.Path.write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, network(seed=2), {})
    after = load_weights(path)
    assert all(np.array_equal(before[0][key], after[0][key]) for key in before[0])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_targets_that_cannot_be_written_are_known_beforehand(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_target(tmp_path / "folder.npz")
    with pytest.raises(UsageError, match="does not exist"):
        check_target(tmp_path / "none" / "w")
    for name in ("w", "w.npz"):
        check_target(tmp_path / name)
        save_weights(tmp_path / name, network(), {})
        check_target(tmp_path / name)


def test_meta_is_a_file_of_its_own_in_a_folder(tmp_path):
    save_weights(tmp_path / "w", network(), {"activation": "plu"})
    assert json.loads((tmp_path / "w" / "meta.json").read_text()) == {"activation": "plu"}


# --- finer points of both formats ----------------------------------------------------------------------------

TOP = (1 << 47) - 1
many = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
both = pytest.mark.parametrize("name", ["w.npz", "w"])


def fails(call, *parts, error=DataError):
    """The call fails with one line that has all the parts in it."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


def small(**changes):
    """A network of 2, 3 and 2; a change to None leaves a matrix out."""
    matrices = {
        "fc1_weight": np.arange(6).reshape(2, 3),
        "fc1_bias": np.array([[1, -2, 3]]),
        "fcLast_weight": np.arange(-3, 3).reshape(3, 2),
        "fcLast_bias": np.array([[TOP, -TOP - 1]]),
        **changes,
    }
    return {name: matrix for name, matrix in matrices.items() if matrix is not None}


def same(actual, expected):
    assert set(actual) == set(expected)
    for name, matrix in actual.items():
        assert matrix.dtype == np.int64
        assert np.array_equal(matrix, expected[name]), name
    return True


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_more_than_nine_layers_are_in_order(tmp_path):
    layers = [*(f"fc{i}" for i in range(1, 12)), "fcLast"]
    matrices = {f"{layer}_{kind}": np.array([[i]]) for i, layer in enumerate(layers) for kind in ("weight", "bias")}
    for name in ("w", "w.npz"):
        save_weights(tmp_path / name, matrices, {})
        assert list(load_weights(tmp_path / name)[0]) == list(matrices)


@both
def test_plain_lists_and_narrow_integers_are_saved(tmp_path, name):
    save_weights(tmp_path / name, {"fcLast_weight": [[1, -2]], "fcLast_bias": np.array([[3, 4]], np.int8)}, {})
    assert same(load_weights(tmp_path / name)[0], {"fcLast_weight": [[1, -2]], "fcLast_bias": [[3, 4]]})


def test_the_layout_of_a_folder(tmp_path):
    save_weights(tmp_path / "w", {"fcLast_weight": [[1, -2], [30, 4]], "fcLast_bias": [[0, 5]]}, {})
    assert contents(tmp_path / "w") == {"fcLast_weight.csv": b"1,-2,\n30,4,\n", "fcLast_bias.csv": b"0,5,\n"}
    save_weights(tmp_path / "w", {"fcLast_weight": [[1]], "fcLast_bias": [[2]]}, {"activation": "é", "batch": 20})
    assert json.loads(contents(tmp_path / "w")["meta.json"]) == {"activation": "é", "batch": 20}


def test_the_layout_of_an_npz(tmp_path):
    save_weights(tmp_path / "w.npz", small(), {"batch": 20})
    with np.load(tmp_path / "w.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {*small(), "meta"}
        assert arrays["meta"].shape == ()
        assert json.loads(str(arrays["meta"])) == {"batch": 20}


def test_a_folder_without_trailing_commas_or_with_spaces(tmp_path):
    save_weights(tmp_path / "w", small(), {})
    (tmp_path / "w/fc1_bias.csv").write_bytes(b"1, -2,+3\r\n")
    assert same(load_weights(tmp_path / "w")[0], small())


# --- networks that are none ----------------------------------------------------------------------------------


def raw_npz(path, members):
    """An .npz with any arrays, or bytes for a member as it is."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            if not isinstance(array, bytes):
                stream = io.BytesIO()
                np.save(stream, np.asarray(array), allow_pickle=True)
                array = stream.getvalue()
            archive.writestr(f"{name}.npy", array)


def raw_folder(path, members):
    path.mkdir()
    for name, matrix in members.items():
        text = "".join("".join(f"{v}," for v in row) + "\n" for row in np.asarray(matrix).tolist())
        (path / f"{name}.csv").write_text(text, encoding="ascii")


SQUARE = np.ones((3, 3), np.int64)
NOT_NETWORKS = [
    ({"fc1_weight": None}, ["fc1_weight is missing"]),
    ({"fc1_bias": None}, ["fc1_bias is missing"]),
    ({"fcLast_weight": None}, ["fcLast_weight is missing"]),
    ({"fcLast_weight": None, "fcLast_bias": None}, ["fcLast_weight is missing"]),
    ({"fc3_weight": SQUARE, "fc3_bias": SQUARE[:1]}, ["fc2_weight is missing"]),
    ({"fc2_bias": SQUARE[:1]}, ["fc2_weight is missing"]),
    ({"fc01_weight": SQUARE, "fc01_bias": SQUARE[:1]}, ["fc2_weight is missing"]),
    ({"fc1_gamma": SQUARE[:1]}, ["fc1_beta is missing"]),
    ({"fc1_gamma": SQUARE[:1], "fc1_beta": SQUARE[:1]}, ["fcLast_gamma is missing"]),
    ({"fc1_bias": SQUARE[:1, :2]}, ["fc1_bias has shape (1, 2)", "(1, 3)"]),
    ({"fc1_bias": SQUARE[:2]}, ["fc1_bias has shape (2, 3)", "(1, 3)"]),
    ({"fcLast_weight": np.ones((4, 2), np.int64)}, ["fcLast_weight has 4 rows", "3 outputs"]),
    ({"fc1_weight": np.array([[1, 2, 3], [4, 5, TOP + 1]])}, ["fc1_weight", "row 2, column 3", TOP + 1, "48 bits"]),
    ({"fc1_weight": np.array([[1, 2, 3], [-TOP - 2, 5, 6]])}, ["fc1_weight", "row 2, column 1", -TOP - 2, "48 bits"]),
]


@pytest.mark.parametrize(("changes", "parts"), NOT_NETWORKS)
@both
def test_what_is_no_network_is_neither_loaded_nor_saved(tmp_path, name, changes, parts):
    path = tmp_path / name
    fails(lambda: save_weights(path, small(**changes), {}), path, *parts)
    assert not list(tmp_path.iterdir())
    (raw_npz if path.suffix else raw_folder)(path, small(**changes))
    fails(lambda: load_weights(path), path, *parts)


def test_nothing_at_all(tmp_path):
    (tmp_path / "w").mkdir()
    fails(lambda: load_weights(tmp_path / "w"), tmp_path / "w", "fcLast_weight is missing")
    fails(lambda: load_weights(tmp_path / "none"), tmp_path / "none", "No such file")
    fails(lambda: load_weights(tmp_path / "none.npz"), tmp_path / "none.npz", "No such file")
    fails(lambda: load_weights(tmp_path / ("a" * 300)), tmp_path, "too long")
    fails(lambda: save_weights(tmp_path / "w.npz", {}, {}), tmp_path / "w.npz", "fcLast_weight is missing")


NOT_MATRICES = [
    (np.ones((1, 3)), "float64 in 2 dimensions (1, 3)"),
    (np.array([[1.0, np.nan, 3.0]]), "float64"),
    (np.ones((1, 3), bool), "bool"),
    (np.array([["1", "2", "3"]]), "<U1"),
    (np.array([1, 2, 3]), "int64 in 1 dimensions (3,)"),
    (np.ones((1, 1, 3), np.int64), "int64 in 3 dimensions (1, 1, 3)"),
    (np.ones((0, 3), np.int64), "int64 in 2 dimensions (0, 3)"),
    (np.array(3), "int64 in 0 dimensions ()"),
    (np.ones((1, 3), [("a", "<i8")]), "in 2 dimensions (1, 3)"),
]


@pytest.mark.parametrize(("array", "reason"), NOT_MATRICES)
def test_an_npz_holds_matrices_of_integers_only(tmp_path, array, reason):
    path = tmp_path / "w.npz"
    raw_npz(path, small(fc1_bias=array))
    fails(lambda: load_weights(path), path, "fc1_bias", reason, "a matrix of integers")
    fails(lambda: save_weights(tmp_path / "x", small(fc1_bias=array), {}), "fc1_bias", reason)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../evil", "fc1", "fc1_weights", "FC1_weight", "fc_weight", "fc1_weight\n", "x/y"])
def test_a_name_that_is_no_layer_s(tmp_path, name):
    for path in (tmp_path / "w", tmp_path / "w.npz"):
        fails(lambda path=path: save_weights(path, small(**{name: SQUARE}), {}), path, repr(name))
    assert not list(tmp_path.iterdir())
    raw_npz(tmp_path / "w.npz", small(**{name: SQUARE}))
    fails(lambda: load_weights(tmp_path / "w.npz"), tmp_path / "w.npz", repr(name))


# --- bad CSV files and meta ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"", ["no numbers"]),
        (b"\n", ["row 1: no numbers"]),
        (b"1,2,3,\n\n", ["row 2: no numbers"]),
        (b",\n", ["row 1, column 1", "''"]),
        (b"1,,3,\n", ["row 1, column 2", "'' where an integer belongs"]),
        (b"1,2,,\n", ["row 1, column 3", "''"]),
        (b"1,2,3,\n4,5,\n", ["row 2 has 2 numbers, row 1 has 3"]),
        (b"1,2,\n4,5,6,\n", ["row 2 has 3 numbers, row 1 has 2"]),
        (b"1,2.5,3,\n", ["row 1, column 2", "'2.5' where an integer belongs"]),
        (b"1,2,3,\n1,2,1e3,\n", ["row 2, column 3", "'1e3'"]),
        (b"nan,2,3,\n", ["row 1, column 1", "'nan'"]),
        (b"1,inf,3,\n", ["row 1, column 2", "'inf'"]),
        (b"1,0x10,3,\n", ["row 1, column 2", "'0x10'"]),
        (b"1,1_0,3,\n", ["row 1, column 2", "'1_0'"]),
        (b"1,- 2,3,\n", ["row 1, column 2", "'- 2'"]),
        (b'"1",2,3,\n', ["row 1, column 1", "'\"1\"'"]),
        (b"1;2;3\n", ["row 1, column 1", "'1;2;3'"]),
        ("1,٢,3,\n".encode(), ["row 1, column 2", "'٢'"]),
        (b"1,2\r1,2,3\n", ["row 1, column 2", r"'2\r1'"]),
        (b"1,\x00,3,\n", ["row 1, column 2", r"'\x00'"]),
        (b"\xff\xfe1,2,3,\n", ["row 1, column 1"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0", ["row 1, column 1", "PNG"]),
        (f"1,{TOP + 1},3,\n".encode(), ["row 1, column 2", f"{TOP + 1} does not fit into 48 bits"]),
        (f"1,2,{-TOP - 2},\n".encode(), ["row 1, column 3", f"{-TOP - 2} does not fit into 48 bits"]),
        (b"1," + b"9" * 200_000 + b",3,\n", ["row 1, column 2", "9" * 40 + " does not fit into 48 bits"]),
        (b"1," * (2 << 20), ["row 1 is longer than 2097152 characters"]),
        (b"x" * 200_000, ["row 1, column 1", "where an integer belongs"]),
    ],
)
def test_a_bad_csv_file_is_named_with_row_and_column(tmp_path, text, parts):
    save_weights(tmp_path / "w", small(), {})
    path = tmp_path / "w/fc1_bias.csv"
    path.write_bytes(text)
    fails(lambda: load_weights(tmp_path / "w"), path, *parts)


def test_a_folder_in_the_place_of_a_csv_file(tmp_path):
    save_weights(tmp_path / "w", small(fc1_bias=np.ones((1, 3), np.int64)), {})
    (tmp_path / "w/fc1_bias.csv").unlink()
    (tmp_path / "w/fc1_bias.csv").mkdir()
    fails(lambda: load_weights(tmp_path / "w"), tmp_path / "w/fc1_bias.csv", "Is a directory")


BAD_META = [
    ("", "not JSON"),
    ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
    ('{"a": ' + "9" * 5000 + "}", "not JSON"),
    ("[1]", "[1]"),
    ('{"a": 1.5}', "1.5"),
    ('{"a": true}', "True"),
    ('{"a": null}', "None"),
    ('{"a": NaN}', "NaN"),
    ('{"a": 1e999}', "beyond all bounds"),
    ('{"a": "\\u001b[2J"}', "cannot be shown"),
    ('{"\\ud800": 1}', "cannot be shown"),
    ('{"a": {"b": 1}}', "'b': 1"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_META)
def test_bad_meta_is_refused(tmp_path, text, reason):
    save_weights(tmp_path / "w", small(), {"a": 1})
    (tmp_path / "w/meta.json").write_text(text, encoding="utf-8")
    fails(lambda: load_weights(tmp_path / "w"), tmp_path / "w/meta.json", reason)
    raw_npz(tmp_path / "w.npz", {**small(), "meta": np.array(text)})
    fails(lambda: load_weights(tmp_path / "w.npz"), tmp_path / "w.npz", "description", reason)


@both
def test_bad_meta_is_not_saved(tmp_path, name):
    for meta in ({"a": 1.5}, {"a": True}, {"a": None}, {1: 2}, {"a": np.int64(3)}):
        fails(lambda meta=meta: save_weights(tmp_path / name, small(), meta), tmp_path / name, "integers or texts")
    for meta in ({"a": "\ud800"}, {"\x07": 1}, {"a": 10**40}):
        fails(lambda meta=meta: save_weights(tmp_path / name, small(), meta), tmp_path / name, "description")
    assert not list(tmp_path.iterdir())


def test_an_npz_without_meta(tmp_path):
    np.savez(tmp_path / "w.npz", **small())
    assert load_weights(tmp_path / "w.npz")[1] == {}


# --- bad .npz files ------------------------------------------------------------------------------------------


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "w.npz"
    raw_npz(path, small(fc1_bias=np.array([[Evil(trap)]], object)))
    fails(lambda: load_weights(path), path, "fc1_bias", "allow_pickle")
    raw_npz(path, {**small(), "meta": np.array(Evil(trap), object)})
    fails(lambda: load_weights(path), path, "meta", "allow_pickle")
    path.write_bytes(pickle.dumps(Evil(trap)))
    fails(lambda: load_weights(path), path, "not a weights file")
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists()  # the trap does work


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
@pytest.mark.parametrize("name", ["w.npz", "w.csv", "w"])
def test_a_file_that_is_no_zip(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    fails(lambda: load_weights(path), path, "not a weights file", "`train --save FILE.npz`", "fc1_weight.csv")


def npy(header):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


NPY = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}\n".format


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"hello",
        b"\x93NUMPY\x09\x09",
        npy(NPY("'<i8'", "(1, 3)")),
        npy(NPY("'<i8'", "(1, 3)")) + bytes(23),
        npy(NPY("'<i8'", "(1099511627776, 3)")) + bytes(24),
        npy(NPY("'<i8'", "(99999999999999999999999999, 3)")),
        npy(NPY("'<i8'", "(-1, 3)")),
        npy(NPY("'<i8'", "(1L, 3)")) + bytes(24),
        npy(NPY("'<i9999999999'", "(1, 3)")),
        npy(NPY("[('a', 'x')]", "(1, 3)")),
        npy(NPY("(((", "(1, 3)")),
        npy("(" * 5000 + ")" * 5000),
        npy("{'descr': (((\n"),
        npy("  {\n 'a'\n}"),
        npy("x" * 20_000),
    ],
)
def test_a_damaged_array_is_refused(tmp_path, member):
    path = tmp_path / "w.npz"
    raw_npz(path, small(fc1_bias=member))
    fails(lambda: load_weights(path), path, "fc1_bias")


def test_another_file_in_the_zip(tmp_path):
    path = tmp_path / "w.npz"
    raw_npz(path, small())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "hello")
    fails(lambda: load_weights(path), path, "readme.txt")


def patch_sizes(path, size):
    """Change the uncompressed size that the zip's directory declares for its first member."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def test_a_zip_bomb_is_refused_by_what_it_declares(tmp_path):
    path = tmp_path / "w.npz"
    save_weights(path, small(), {})
    patch_sizes(path, (256 << 20) + 1)
    fails(lambda: load_weights(path), path, "bytes of weights; at most 268435456")


def test_a_zip_bomb_that_lies_is_read_no_further(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fcLast_weight.npy", npy(NPY("'<i8'", "(1, 1000000)")) + bytes(8_000_000))
    patch_sizes(path, 200)
    fails(lambda: load_weights(path), path, "fcLast_weight")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_compression_is_refused(tmp_path, method):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("fc1_bias.npy", np.random.default_rng(1).bytes(500))
    content = bytearray(path.read_bytes())
    content[60:120] = bytes(60)
    path.write_bytes(content)
    fails(lambda: load_weights(path), path)


@many
@given(st.data())
@both
def test_damaged_files_are_refused_or_a_network(tmp_path, name, data):
    path = tmp_path / name
    save_weights(path, small(), {"batch": 20})
    victim = path if path.is_file() else data.draw(st.sampled_from(sorted(path.iterdir())))
    content = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    victim.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        matrices, _ = load_weights(path)
    except DataError:
        return
    assert {"fcLast_weight", "fcLast_bias"} <= set(matrices)
    assert all(matrix.dtype == np.int64 for matrix in matrices.values())


# --- saving, all or nothing ----------------------------------------------------------------------------------

OLD, NEW = small(), small(fc1_bias=np.array([[7, 8, 9]]))
STOPS = [OSError(28, "No space left on device"), KeyboardInterrupt()]


def failing(function, call, failure):
    """The function, failing at its call of that number, counted from 1."""
    calls = 0

    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == call:
            raise failure
        return function(*args, **kwargs)

    return wrapped


def test_saving_again_replaces_all(tmp_path):
    for path in (tmp_path / "w", tmp_path / "w.npz"):
        save_weights(path, OLD, {"batch": 20})
        save_weights(path, {"fcLast_weight": [[1]], "fcLast_bias": [[2]]}, {})
        assert same(load_weights(path)[0], {"fcLast_weight": [[1]], "fcLast_bias": [[2]]})
        assert load_weights(path)[1] == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w", "w.npz"]
    (tmp_path / "empty").mkdir()
    save_weights(tmp_path / "empty", OLD, {})
    assert same(load_weights(tmp_path / "empty")[0], OLD)


@pytest.mark.parametrize("failure", STOPS)
@pytest.mark.parametrize(
    ("name", "module", "function", "call"),
    [
        ("w.npz", os, "replace", 1),
        ("w.npz", np, "savez", 1),
        ("w", Path, "mkdir", 1),
        ("w", Path, "write_text", 1),
        ("w", Path, "write_text", 5),
        ("w", os, "rename", 1),
        ("w", os, "rename", 2),
        ("w", files, "_exchanged", 1),
    ],
)
def test_a_failure_leaves_the_old_weights(tmp_path, monkeypatch, name, module, function, call, failure):
    path = tmp_path / name
    save_weights(path, OLD, {"batch": 20})
    if module is os:  # as where two folders cannot be exchanged
        monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    monkeypatch.setattr(module, function, failing(getattr(module, function), call, failure))
    with pytest.raises(type(failure)):
        save_weights(path, NEW, {"batch": 30})
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    assert same(load_weights(path)[0], OLD)
    assert load_weights(path)[1] == {"batch": 20}


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "rename", failing(os.rename, 1, STOPS[0]))
    with pytest.raises(OSError, match="No space"):
        save_weights(tmp_path / "w", NEW, {})
    assert not list(tmp_path.iterdir())


def test_the_old_weights_outlive_even_a_failure_to_put_them_back(tmp_path, monkeypatch):
    save_weights(tmp_path / "w", OLD, {})
    monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    real = os.rename

    def rename(source, target):
        if Path(target) == tmp_path / "w":
            raise STOPS[0]
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="No space"):
        save_weights(tmp_path / "w", NEW, {})
    (kept,) = tmp_path.iterdir()
    assert same(load_weights(kept / "old")[0], OLD)


@pytest.mark.skipif(sys.platform != "linux", reason="exchanges folders by Linux's renameat2")
def test_there_is_no_moment_without_weights(tmp_path, monkeypatch):
    path = tmp_path / "w"
    save_weights(path, OLD, {})
    monkeypatch.setattr(os, "rename", lambda *_: pytest.fail("the old weights were moved away first"))
    save_weights(path, NEW, {})
    assert same(load_weights(path)[0], NEW)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [("w", tempfile, "mkdtemp"), ("w", shutil, "rmtree"), ("w", files, "_exchanged"), ("w.npz", tempfile, "mkstemp")],
)
def test_a_signal_at_a_bad_moment_leaves_nothing_behind(tmp_path, monkeypatch, name, module, function):
    """Ctrl-C counts when the weights are saved, and what was made on the way is removed."""
    path = tmp_path / name
    save_weights(path, OLD, {})
    real = getattr(module, function)

    def interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, function, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_weights(path, NEW, {})
    assert same(load_weights(path)[0], NEW)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("other", ["notes.txt", "fc1_weight.csv.bak", "data.csv", ".hidden"])
def test_a_folder_with_anything_else_is_refused(tmp_path, other):
    save_weights(tmp_path / "w", OLD, {})
    (tmp_path / "w" / other).write_text("precious")
    before = contents(tmp_path / "w")
    fails(lambda: save_weights(tmp_path / "w", NEW, {}), tmp_path / "w", "something other", error=UsageError)
    assert contents(tmp_path / "w") == before


@pytest.mark.parametrize("other", ["sub", "meta.json", "fc2_weight.csv"])
def test_a_folder_with_a_folder_in_it_is_refused(tmp_path, other):
    save_weights(tmp_path / "w", OLD, {})
    (tmp_path / "w" / other).mkdir()
    (tmp_path / "w" / other / "thesis").write_text("precious")
    fails(lambda: save_weights(tmp_path / "w", NEW, {}), tmp_path / "w", "something other", error=UsageError)
    assert (tmp_path / "w" / other / "thesis").read_text() == "precious"


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "w").write_text("precious")
    fails(lambda: save_weights(tmp_path / "w", NEW, {}), tmp_path / "w", "exists", error=UsageError)
    assert (tmp_path / "w").read_text() == "precious"


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    save_weights(tmp_path / "real", OLD, {})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save_weights(tmp_path / "link", NEW, {})
    assert (tmp_path / "link").is_symlink()
    assert same(load_weights(tmp_path / "real")[0], NEW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@both
def test_no_folder_to_save_in(tmp_path, name):
    with pytest.raises(UsageError, match="does not exist"):
        save_weights(tmp_path / "none" / name, NEW, {})


def test_modes_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        save_weights(tmp_path / "w", NEW, {})
    finally:
        os.umask(old)
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "w/fc1_bias.csv").stat().st_mode & 0o777 == 0o640
