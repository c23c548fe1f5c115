"""Where the tests find what is not part of the project: datasets and the reference's golden numbers."""

from __future__ import annotations

import os
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported; see pocketnn/__main__.py

import pytest  # noqa: E402

BESIDE = Path(__file__).resolve().parents[2] / "shared"


def _folder(variable: str, name: str) -> Path:
    path = Path(os.environ.get(variable) or BESIDE / name)
    if not path.is_dir():
        pytest.skip(f"{path} is not there; set {variable}")
    return path


@pytest.fixture
def golden() -> Path:
    """The folder with the reference implementation's numbers."""
    return _folder("POCKETNN_GOLDEN", "golden")


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with mnist and fashion-mnist, also put into POCKETNN_DATA."""
    path = _folder("POCKETNN_DATA", "data")
    monkeypatch.setenv("POCKETNN_DATA", str(path))
    return path
