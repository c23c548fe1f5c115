"""Weights files."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.errors import DataError, UsageError
from pocketnn.weights import load_weights, save_weights


def network(dims=(3, 4, 2), norm=False, seed=0):
    rng = np.random.default_rng(seed)
    names = [*(f"fc{i}" for i in range(1, len(dims) - 1)), "fcLast"]
    result = {}
    for name, n, m in zip(names, dims, dims[1:], strict=False):
        result[f"{name}_weight"] = rng.integers(-(1 << 47), 1 << 47, (n, m))
        for kind in ("bias", "gamma", "beta") if norm else ("bias",):
            result[f"{name}_{kind}"] = rng.integers(-99, 99, (1, m))
    return result


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.booleans(),
    st.sampled_from(["w.npz", "w"]),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
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


def test_meta_is_a_file_of_its_own_in_a_folder(tmp_path):
    save_weights(tmp_path / "w", network(), {"activation": "plu"})
    assert json.loads((tmp_path / "w" / "meta.json").read_text()) == {"activation": "plu"}
