"""Conformance with the reference implementation's numbers."""

import json

import pytest

from pocketnn.conform import conform
from pocketnn.errors import DataError


@pytest.fixture
def cases(golden):
    return json.loads((golden / "reference-vectors.json").read_text())


def write(tmp_path, content):
    path = tmp_path / "vectors.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_every_case_is_equal_on_both_backends(golden):
    results = list(conform(golden / "reference-vectors.json"))
    assert [r for r in results if r.difference] == []
    assert {r.backend for r in results} == {"reference", "vector"}
    assert len({r.index for r in results}) == 31
    assert min(r.numbers for r in results) >= 40


def _leaves(value, path=()):
    if isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, i))
    elif isinstance(value, int):
        yield path


@pytest.mark.parametrize("field", ["output", "deltas", "weights", "biases", "gammas", "betas"])
def test_names_the_first_doctored_number_of_a_training_step(cases, tmp_path, field):
    case = next(c for c in cases if c.get("label") == "dfa-tanh-batchnorm")
    path = list(_leaves(case["steps"][2][field]))[-1]
    place = case["steps"][2][field]
    for i in path[:-1]:
        place = place[i]
    place[path[-1]] += 1
    results = list(conform(write(tmp_path, [cases[0], case])))
    where = "".join(f"[{i}]" for i in path)
    differing = [r for r in results if r.difference]
    assert [r.backend for r in differing] == ["reference", "vector"]
    for r in differing:
        assert r.index == 1
        assert r.difference.startswith(f"step 2 {field}{where}: the file says {place[path[-1]]}, computed is ")


@pytest.mark.parametrize("field", ["loss", "loss_delta_sum"])
def test_names_a_doctored_sum(cases, tmp_path, field):
    case = next(c for c in cases if c.get("label") == "dfa-tanh-small")
    case["steps"][1][field] ^= 1
    differences = {r.difference for r in conform(write(tmp_path, [case]))}
    assert len(differences) == 1
    assert differences.pop().startswith(f"step 1 {field}: the file says {case['steps'][1][field]},")


@pytest.mark.parametrize(
    ("kind", "field"), [("rand", "values"), ("activation", "y"), ("activation", "grad_inv"), ("conv_forward", "output")]
)
def test_names_a_doctored_number(cases, tmp_path, kind, field):
    case = next(c for c in cases if c["case"] == kind)
    path = list(_leaves(case[field]))[3]
    place = case[field]
    for i in path[:-1]:
        place = place[i]
    place[path[-1]] += 1
    (difference,) = {r.difference for r in conform(write(tmp_path, [case]))}
    assert difference.startswith(f"{field}{''.join(f'[{i}]' for i in path)}: the file says {place[path[-1]]}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("{]", "not JSON"),
        ("[" * 100000, "not JSON"),
        ("{}", "list of cases"),
        ("[]", "list of cases"),
        ("[1]", "case 0: it is 1; an object belongs here"),
        ('[{"case": "sing"}]', "one of activation, conv_forward, rand, train"),
        ('[{"case": {}}]', "case 0: case is an object of 0; one of activation, conv_forward, rand, train belongs here"),
        ('[{"case": ["rand"]}]', "case is a list of 1"),
        ('[{"case": "rand", "seed": 1}]', "case 0: values is missing"),
        ('[{"case": "rand", "seed": true, "values": []}]', "seed is True"),
        ('[{"case": "rand", "seed": 1, "values": 5}]', "values is 5; a list belongs here"),
        ('[{"case": "rand", "seed": 1, "values": [1e999]}]', "beyond all bounds"),
        ('[{"case": "rand", "label": "\\ud800", "seed": 1, "values": [1]}]', "cannot be shown"),
        ('[{"case": "rand", "seed": -1, "values": []}]', "seed is -1"),
        ('[{"case": "rand", "seed": 1.5, "values": []}]', "seed is 1.5"),
        ('[{"case": "rand", "seed": 1, "values": [1.0]}]', "1.0"),
        ('[{"case": "rand", "seed": 1, "values": [NaN]}]', "NaN"),
        (
            '[{"case": "activation", "name": "as_is", "k": 8, "num_items": 1, "x": [[1], [2, 3]], "y": [], '
            '"grad_inv": []}]',
            "different lengths",
        ),
        (
            '[{"case": "activation", "name": "gelu", "k": 8, "num_items": 1, "x": [[1]], "y": [], "grad_inv": []}]',
            "gelu",
        ),
        (
            '[{"case": "train", "dims": [1000000000, 1000000000], "activation": "as_is", "batch_norm": false, '
            '"algorithm": "dfa", "lr_inv": 1, "feedback": [], "steps": [], '
            '"weights0": [[[1]]], "biases0": [[[1]]]}]',
            "at most 67,108,864",
        ),
        (
            '[{"case": "train", "dims": [1000, 1000], "activation": "as_is", "batch_norm": false, '
            '"algorithm": "dfa", "lr_inv": 1, "feedback": [], "steps": [], '
            '"weights0": [[[1]]], "biases0": [[[1]]]}]',
            "initial fcLast_weight has shape (1, 1); dims (1000, 1000) ask for (1000, 1000)",
        ),
        (
            '[{"case": "conv_forward", "image": [[[1]]], "padding": 100000, "stride": 1, "pool": [2, 2], '
            '"activation": "as_is", "filters": [[[[1]]]], "bias": [[1]], "pre_activation": [], "output": []}]',
            "padding is 100000",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError) as error:
        list(conform(path))
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        list(conform(tmp_path / "none.json"))


def test_not_text(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not JSON"):
        list(conform(path))
