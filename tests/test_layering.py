"""Who may import whom, and where no float may be: read from the syntax trees of the package itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pocketnn"

# Rank of each module, by its name below `pocketnn`; "name.*" is a whole package of one rank. A module may import
# modules of lower rank, and those of the same rank where the two are in the same room. Modules of different rooms
# are blind to each other.
RANKS: dict[str, tuple[int, str]] = {
    "": (0, "base"),  # pocketnn/__init__.py: the version, and names that it imports only when they are asked for
    "errors": (0, "base"),
    "files": (0, "base"),
    "cache": (0, "base"),
    "outside": (0, "base"),
    "arith.word": (10, "word"),
    "arith.flags": (10, "flags"),
    "arith.shapes": (10, "table"),
    "arith.terms": (10, "table"),
    "arith.bounds": (10, "table"),
    "arith.ops": (11, "arith"),
    "arith.backend": (12, "arith"),
    "arith.semantics": (12, "semantics"),
    "arith.reference": (13, "reference"),
    "arith.jit": (12, "compiled"),
    "arith.compiled_reach": (13, "compiled"),
    "arith.compiled": (13, "compiled"),
    "arith.how": (14, "how"),
    "arith.carrier": (15, "carrier"),
    "arith.product": (16, "product"),
    "arith.extent": (17, "extent"),
    "arith.sequential": (16, "sequential"),
    "arith.folds": (17, "arith"),
    "arith.vector": (18, "vector"),
    "arith.ranges": (13, "ranges"),
    "arith.relations": (14, "relations"),
    "arith.range_folds": (14, "range_folds"),
    "arith.interval": (18, "interval"),
    "arith.lockstep": (18, "lockstep"),
    "arith.c_helpers": (10, "c"),
    "arith.native_source": (12, "native_source"),
    "arith.native_library": (13, "native_library"),
    "arith.native": (14, "native"),
    "arith": (19, "arith"),
    "ledger": (20, "machine"),
    "widths": (20, "machine"),
    "arguments": (20, "machine"),
    "machine": (20, "machine"),
    "check": (13, "check"),
    "check.*": (13, "check"),
    "scores": (19, "scores"),
    "vectors": (20, "vectors"),
    "vectors.*": (20, "vectors"),
    "init": (30, "network"),
    "jitter": (30, "network"),
    "activations": (30, "network"),
    "recipe": (30, "network"),
    "recipes": (30, "network"),
    "update": (30, "network"),
    "loss": (30, "network"),
    "nn": (30, "network"),
    "conv": (30, "network"),
    "conv_layer": (30, "network"),
    "dfa": (30, "network"),
    "weights": (30, "network"),
    "data": (30, "network"),
    "data.*": (30, "network"),
    "trace": (30, "record"),
    "trace.*": (30, "record"),
    "audit.verdict": (30, "record"),
    "audit.reproduce": (30, "record"),
    "audit.memory": (30, "record"),
    "audit.observe": (30, "record"),
    "audit.propose": (30, "record"),
    "audit.mcu": (30, "record"),
    "audit.device": (30, "record"),
    "audit.report": (30, "record"),
    "audit.answer": (30, "record"),
    "audit.data": (40, "both"),
    "audit.chart": (40, "both"),
    "audit.html": (40, "both"),
    "audit.live": (40, "both"),
    "audit.sarif": (40, "both"),
    "audit.advise": (40, "both"),
    "audit.run": (40, "both"),
    "audit.sections": (40, "both"),
    "audit.source": (40, "both"),
    "audit.replayed": (40, "both"),
    "audit.text": (40, "both"),
    "audit": (40, "both"),
    "train": (40, "both"),
    "saved": (40, "both"),
    "estimate": (40, "both"),
    "overhead": (40, "both"),
    "sweep": (40, "both"),
    "sweep.*": (40, "both"),
    "yardstick": (40, "both"),
    "bench": (40, "both"),
    "accuracy": (40, "both"),
    "conform": (40, "both"),
    "prove": (40, "both"),
    "prove.*": (40, "both"),
    "export": (40, "both"),
    "export.*": (40, "both"),
    "cli": (50, "cli"),
    "cli.*": (50, "cli"),
    "__main__": (60, "main"),
}

# Outside packages that only these modules may import, whatever else they do.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "click": ("cli", "cli.*"),
    "numba": ("arith.jit", "arith.compiled"),
    "jinja2": ("audit.html",),
    "matplotlib": ("audit.chart",),
}

# no NumPy and no float
NETWORK = ("nn", "activations", "loss", "dfa", "conv", "conv_layer", "init", "update", "jitter")
SPECIFICATION = (
    "arith.ops",
    "arith.shapes",
    "arith.terms",
    "arith.bounds",
    "arith.word",
    "arith.reference",
)  # no float; NumPy only to hand values out
WHOLE_MATH = {"isqrt", "prod", "gcd", "lcm", "comb"}  # what of `math` gives integers


def modules(package: Path = PACKAGE) -> dict[str, str]:
    """Source of every module, by its name below the package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def listed(name: str, patterns: Mapping[str, object] | tuple[str, ...]) -> str | None:
    """The entry for a module: itself, or its package with a star."""
    star = f"{name.split('.')[0]}.*"
    return name if name in patterns else star if "." in name and star in patterns else None


def imports(name: str, source: str, known: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, wherever in the source; relative imports are resolved."""
    package = name.split(".") if known.get(name) is not None and any(k.startswith(f"{name}.") for k in known) else None
    here = package if package is not None else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(["pocketnn", *here[: len(here) - node.level + 1], *([base] if base else [])])
            for alias in node.names:  # `from package import module` imports the module
                full = f"{base}.{alias.name}"
                yield node.lineno, full if full.removeprefix("pocketnn.") in known else base


def without_facade(sources: Mapping[str, str]) -> dict[str, str]:
    """The modules as others see them: what the package itself hands out on request is no layer of its own."""
    return {**sources, "": ""}


def layer_faults(sources: Mapping[str, str]) -> list[str]:
    """Every import that the table does not allow, and every module that the table does not know."""
    faults = []
    for name, source in without_facade(sources).items():
        entry = listed(name, RANKS)
        if entry is None:
            faults.append(f"{name}: a new module; give it a rank in RANKS of tests/test_layering.py")
            continue
        rank, room = RANKS[entry]
        for line, full in imports(name, source, sources):
            where, outside = f"{name}:{line}", full.split(".")[0]
            if outside in ONLY_IN and listed(name, ONLY_IN[outside]) is None:
                faults.append(f"{where}: only {ONLY_IN[outside][0]} may import {outside}")
            if outside != "pocketnn":
                continue
            target = full.removeprefix("pocketnn").removeprefix(".")
            other = listed(target, RANKS)
            if other is None:
                faults.append(f"{where}: imports {full}, which has no rank in RANKS of tests/test_layering.py")
            elif RANKS[other][0] > rank:
                faults.append(f"{where}: imports {full}, which is above it")
            elif RANKS[other][0] == rank and RANKS[other][1] != room:
                faults.append(f"{where}: imports {full}, which it must not know")
    return faults


def cycles(sources: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a circle."""
    sources = without_facade(sources)
    graph = {
        name: {full.removeprefix("pocketnn.") for _, full in imports(name, source, sources)} & set(sources) - {name}
        for name, source in sources.items()
    }
    while free := [name for name, targets in graph.items() if not targets & set(graph)]:
        for name in free:
            del graph[name]
    return [f"{name}: in a circle of imports" for name in graph]


def float_faults(name: str, source: str, numpy: bool) -> list[str]:
    """Every way in which a float could come about; with `numpy` false every use of NumPy too."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        fault = None
        if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            fault = f"the literal {node.value!r}"
        elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
            fault = f"the name `{node.id}`"
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            fault = "true division"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "math" and node.attr not in WHOLE_MATH:
                fault = f"math.{node.attr}"
            elif node.value.id == "np" and node.attr.startswith(("float", "double", "divide", "true_divide")):
                fault = f"np.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "math":
            fault = "an import from math (write math.isqrt, so that it shows)"
        if fault:
            faults.append(f"{name}:{node.lineno}: {fault}")
    if not numpy:
        used = [(line, full) for line, full in imports(name, source, {}) if full.split(".")[0] == "numpy"]
        faults += [f"{name}:{line}: imports NumPy" for line, _ in used]
    return faults


# --- the package -------------------------------------------------------------------------------------------


def test_layers():
    assert layer_faults(modules()) == []


def test_no_circles():
    assert cycles(modules()) == []


def test_arith_knows_nothing_above_it():
    sources = modules()
    allowed = ("pocketnn.arith", "pocketnn.cache", "pocketnn.errors")
    for name in (name for name in sources if name.split(".")[0] == "arith"):
        for line, full in imports(name, sources[name], sources):
            assert not full.startswith("pocketnn") or full.startswith(allowed), f"{name}:{line} imports {full}"


def test_the_checker_knows_the_op_table_alone():
    """Of all the package. What is loaded with it is looked at in tests/check/test_main.py."""
    sources = modules()
    allowed = ("pocketnn.check", "pocketnn.arith.ops", "pocketnn.arith.semantics")
    own = [name for name in sources if name.split(".")[0] == "check"]
    assert own
    for name in own:
        for line, full in imports(name, sources[name], sources):
            assert not full.startswith("pocketnn") or full.startswith(allowed), f"{name}:{line} imports {full}"


@pytest.mark.parametrize("name", NETWORK)
def test_the_network_has_no_numpy_and_no_float(name):
    assert float_faults(name, modules()[name], numpy=False) == []


@pytest.mark.parametrize("name", SPECIFICATION)
def test_the_specification_has_no_float(name):
    assert float_faults(name, modules()[name], numpy=True) == []


# --- the checker itself ------------------------------------------------------------------------------------


def planted(**sources: str) -> dict[str, str]:
    """The real modules, emptied, and some of them with other text; `a__b` stands for a.b."""
    return {**dict.fromkeys(modules(), ""), **{name.replace("__", "."): text for name, text in sources.items()}}


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "arith__word",
            "from pocketnn.machine import Machine",
            "arith.word:1: imports pocketnn.machine, which is above",
        ),
        ("arith__word", "def f():\n    import pocketnn.arith.ops", "arith.word:2: imports pocketnn.arith.ops"),
        (
            "arith__flags",
            "from pocketnn.arith.word import Word",
            "arith.flags:1: imports pocketnn.arith.word, which it",
        ),
        ("arith__vector", "from pocketnn.arith import lockstep", "arith.vector:1: imports pocketnn.arith.lockstep"),
        ("arith__vector", "from . import lockstep", "arith.vector:1: imports pocketnn.arith.lockstep"),
        ("arith__vector", "from .lockstep import Pair", "arith.vector:1: imports pocketnn.arith.lockstep"),
        ("arith__vector", "from ..nn import Dense", "arith.vector:1: imports pocketnn.nn, which is above it"),
        ("arith", "from ..nn import Dense", "arith:1: imports pocketnn.nn, which is above it"),
        ("machine", "from pocketnn.nn import Dense", "machine:1: imports pocketnn.nn, which is above it"),
        ("nn", "from pocketnn.audit.verdict import judge", "nn:1: imports pocketnn.audit.verdict, which it must not"),
        ("audit__verdict", "from pocketnn import nn", "audit.verdict:1: imports pocketnn.nn, which it must not know"),
        ("trace__store", "import pocketnn.nn", "trace.store:1: imports pocketnn.nn, which it must not know"),
        ("data__idx", "from pocketnn.train import train", "data.idx:1: imports pocketnn.train, which is above it"),
        ("train", "from pocketnn.cli import main", "train:1: imports pocketnn.cli, which is above it"),
        ("train", "import click", "train:1: only cli may import click"),
        ("arith__folds", "import numba", "arith.folds:1: only arith.jit may import numba"),
        ("train", "import pocketnn.nowhere", "train:1: imports pocketnn.nowhere, which has no rank"),
        ("brandnew", "", "brandnew: a new module; give it a rank"),
        ("arith__brandnew", "", "arith.brandnew: a new module; give it a rank"),
        ("audit__brandnew", "", "audit.brandnew: a new module; give it a rank"),
    ],
)
def test_a_forbidden_import_is_found(module, source, fault):
    (found,) = layer_faults(planted(**{module: source}))
    assert found.startswith(fault)


def test_allowed_imports_are_not_reported():
    sources = planted(
        nn="from pocketnn.activations import activation\nfrom pocketnn.arith import Role\nimport math",
        cli__train="import click\nfrom pocketnn.train import train\nfrom pocketnn import __version__",
        audit__source="from pocketnn.nn import Dense\nfrom pocketnn.audit.verdict import judge",
        arith__compiled="import numba",
    )
    assert layer_faults(sources) == []


def test_a_circle_is_found():
    sources = planted(nn="import pocketnn.conv", conv="import pocketnn.dfa", dfa="from pocketnn import nn", loss="")
    assert cycles(sources) == [f"{name}: in a circle of imports" for name in sources if name in ("conv", "dfa", "nn")]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\ny = 0.5", "nn:2: the literal 0.5"),
        ("x = 1e3", "nn:1: the literal 1000.0"),
        ("x = 1j", "nn:1: the literal 1j"),
        ("x = float(3)", "nn:1: the name `float`"),
        ("def f(x: float) -> None: ...", "nn:1: the name `float`"),
        ("x = 1 / 2", "nn:1: true division"),
        ("x /= 2", "nn:1: true division"),
        ("import math\nx = math.sqrt(2)", "nn:2: math.sqrt"),
        ("from math import sqrt", "nn:1: an import from math"),
        ("x = np.float64(1)", "nn:1: np.float64"),
        ("def f():\n    import numpy as np", "nn:2: imports NumPy"),
        ("from numpy import array", "nn:1: imports NumPy"),
        ("import numpy.linalg", "nn:1: imports NumPy"),
    ],
)
def test_a_float_is_found(source, fault):
    (found,) = float_faults("nn", source, numpy=False)
    assert found.startswith(fault)


def test_integers_are_not_reported():
    source = "import math\nx = 7 // 2 % 3 + math.isqrt(9)  # 1 / 2 is 0.5, a float\nx //= 2\ny = 'float 0.5 / 2'"
    assert float_faults("nn", source, numpy=False) == []
    assert float_faults("arith.reference", "import numpy as np\nx = np.int64(1)", numpy=True) == []
