"""The names that `pocketnn.arith` hands out, and what is loaded for them."""

import ast
import inspect
import subprocess
import sys

import pytest

import pocketnn.arith as arith


def announced():
    """Module and names of the imports that only type checkers see."""
    tree = ast.parse(inspect.getsource(arith))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "importlib"]
    return {
        node.module.removeprefix("pocketnn.arith."): tuple(alias.name for alias in node.names)
        for node in found
        if node.module != "typing"
    }


def test_type_checkers_and_programs_see_the_same_names():
    assert announced() == arith._HOMES
    assert sorted(arith._HOME) == sorted(arith.__all__)
    assert set(arith.__all__) <= set(dir(arith))


@pytest.mark.parametrize("name", arith.__all__)
def test_a_name_is_the_one_of_its_module(name):
    module = __import__(f"pocketnn.arith.{arith._HOME[name]}", fromlist=[name])
    assert getattr(arith, name) is getattr(module, name)


def test_there_are_no_other_names():
    with pytest.raises(AttributeError, match=r"module 'pocketnn.arith' has no attribute 'Nothing'"):
        _ = arith.Nothing


def test_the_op_table_needs_no_backend_and_no_numpy():
    code = "import sys, pocketnn.arith.ops; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = [name for name in done.stdout.split() if name.split(".")[0] in ("numpy", "pocketnn")]
    table = [f"pocketnn.arith.{name}" for name in ("bounds", "ops", "shapes", "terms")]
    assert sorted(loaded) == sorted(["pocketnn", "pocketnn.arith", "pocketnn.errors", *table])
