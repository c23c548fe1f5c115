"""A weights file for the checker: matrices by name, and what it says of its training. Read without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["read_weights"]

_MOST = 1 << 28  # bytes, unpacked


def read_weights(path: Path) -> tuple[dict[str, list[list[int]]], Mapping[str, Any]]:
    """Matrices by name as lists, and the fields of the recipe that the file has, none if it has no recipe.

    path: an .npz file, or a folder of CSV files. Raises OSError or ValueError if it is no such thing.
    """
    if path.is_dir():
        matrices = {file.stem: _of_text(file) for file in sorted(path.glob("*.csv"))}
        about = path / "meta.json"
        meta = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    else:
        matrices, meta = _of_archive(path)
    if not matrices or not isinstance(meta, dict):
        raise ValueError("no weights are in it")
    return matrices, json.loads(meta.get("recipe", "{}"))


def _of_text(file: Path) -> list[list[int]]:
    lines = file.read_text(encoding="ascii").splitlines()
    return [[int(cell) for cell in line.rstrip(",").split(",")] for line in lines]


def _of_archive(path: Path) -> tuple[dict[str, list[list[int]]], Any]:
    import numpy as np  # only where there is such a file: the proof itself needs none of it

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST:
                raise ValueError(f"more than {_MOST} bytes of weights")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f"no weights file: {error}") from error
    meta = json.loads(str(found.pop("meta", "{}")))
    if any(matrix.ndim != 2 or matrix.dtype.kind not in "iu" or not matrix.size for matrix in found.values()):
        raise ValueError("matrices of integers belong in it")
    return {name: matrix.tolist() for name, matrix in found.items()}, meta
