"""Weights files: `.npz` without pickle, or a folder of CSV files, one a matrix, as the reference publishes them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pocketnn.errors import DataError, UsageError
from pocketnn.files import atomic_write

__all__ = ["load_weights", "save_weights"]

Matrix = np.ndarray[Any, np.dtype[np.int64]]
Meta = dict[str, int | str]

_NAME = re.compile(r"(fc\d+|fcLast)_(weight|bias|gamma|beta)")
_LIMIT = 1 << 47  # the widest word has 48 bits
_MAX_BYTES = 256 << 20  # in all, uncompressed; a network of the size pocketnn is for has less than one


def save_weights(path: Path, parameters: Mapping[str, Any], meta: Mapping[str, int | str]) -> None:
    """Save matrices by name (`fc1_weight`, ...) and what else the network is (`meta`): all of it, or nothing.

    A name ending in .npz becomes one file; any other a folder of CSV files with a comma after every number, and
    meta.json if there is any meta. An existing folder is replaced only if it holds nothing but such files. Raises
    UsageError otherwise, OSError if it cannot be written.
    """
    if path.suffix == ".npz":
        with atomic_write(path) as file:
            arrays: dict[str, Any] = {name: np.asarray(matrix, np.int64) for name, matrix in parameters.items()}
            np.savez(file, allow_pickle=False, meta=np.array(json.dumps(dict(meta))), **arrays)
        return
    if path.exists() and not (path.is_dir() and all(_ours(entry.name) for entry in path.iterdir())):
        raise UsageError(f"{path}: exists and holds something other than weights; name another folder, or FILE.npz")
    temporary = Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}."))
    try:
        for name, matrix in parameters.items():
            lines = ("".join(f"{value}," for value in row) for row in np.asarray(matrix).tolist())
            (temporary / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        if meta:
            (temporary / "meta.json").write_text(json.dumps(dict(meta)) + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        if path.exists():
            # Two renames, for a folder cannot be exchanged in one: between them the old one is beside it, whole.
            old = temporary.with_name(f"{temporary.name}.old")
            os.rename(path, old)
            os.rename(temporary, path)
            shutil.rmtree(old)
        else:
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _ours(name: str) -> bool:
    return name == "meta.json" or (name.endswith(".csv") and _NAME.fullmatch(name[:-4]) is not None)


def load_weights(path: Path) -> tuple[dict[str, Matrix], Meta]:
    """Read what `save_weights` wrote, or the reference's folder of CSV files; matrices in the order of the layers.

    Raises DataError for anything that is not a whole network of integers of at most 48 bits: floats, ragged rows,
    pickled objects, missing layers, layers whose sizes do not follow on each other.
    """
    try:
        matrices, meta = _load_folder(path) if path.is_dir() else _load_npz(path)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return _checked(path, matrices), meta


def _load_folder(path: Path) -> tuple[dict[str, Matrix], Meta]:
    files = sorted(entry for entry in path.iterdir() if _ours(entry.name))
    size = sum(entry.stat().st_size for entry in files)
    if size > _MAX_BYTES:
        raise DataError(f"{path}: {size} bytes of weights; at most {_MAX_BYTES} are read")
    meta: Meta = {}
    if (path / "meta.json").exists():
        meta = _meta((path / "meta.json").read_text(encoding="utf-8", errors="replace"), path / "meta.json")
    return {entry.stem: _load_csv(entry) for entry in files if entry.suffix == ".csv"}, meta


def _load_csv(path: Path) -> Matrix:
    rows = []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for number, cells in enumerate(csv.reader(file), start=1):
            if cells and cells[-1] == "":
                cells.pop()  # the comma after the last number
            rows.append([_integer(cell, f"{path}: row {number}, column {i}") for i, cell in enumerate(cells, 1)])
            if len(rows[-1]) != len(rows[0]):
                raise DataError(f"{path}: row {number} has {len(rows[-1])} numbers, row 1 has {len(rows[0])}")
    if not rows or not rows[0]:
        raise DataError(f"{path}: no numbers in it")
    return np.array(rows, np.int64)


def _integer(cell: str, where: str) -> int:
    if not re.fullmatch(r"\s*[+-]?\d{1,20}\s*", cell):
        raise DataError(f"{where}: {cell[:40]!r} where an integer belongs")
    value = int(cell)
    if not -_LIMIT <= value < _LIMIT:
        raise DataError(f"{where}: {value} does not fit into 48 bits")
    return value


def _load_npz(path: Path) -> tuple[dict[str, Matrix], Meta]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_BYTES:
            raise DataError(f"{path}: {size} bytes of weights; at most {_MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a weights file ({error})") from error
    text = content.pop("meta", np.array("{}"))
    meta = _meta(str(text), path)
    for name, array in content.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim != 2 or array.size == 0:
            kind = f"{array.dtype} in {array.ndim} dimensions" if isinstance(array, np.ndarray) else "no array"
            raise DataError(f"{path}: {name} is {kind}; a matrix of integers belongs here")
        low, high = int(array.min()), int(array.max())
        if not -_LIMIT <= low <= high < _LIMIT:
            raise DataError(f"{path}: {name} holds {low if low < -_LIMIT else high}, which does not fit into 48 bits")
    return {name: array.astype(np.int64) for name, array in content.items()}, meta


def _meta(text: str, path: Path) -> Meta:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the description of the network is not JSON ({error})") from error
    if not isinstance(meta, dict) or not all(type(value) in (int, str) for value in meta.values()):
        raise DataError(
            f"{path}: the description of the network is {text[:60]!r}; names with integers or texts belong here"
        )
    return meta


def _checked(path: Path, matrices: dict[str, Matrix]) -> dict[str, Matrix]:
    """The matrices in layer order, once they are known to make up a network."""
    for name in matrices:
        if not _NAME.fullmatch(name):
            raise DataError(f"{path}: {name!r} is not the name of a layer's matrix like fc1_weight or fcLast_bias")
    layers = {name.split("_")[0] for name in matrices}
    order = [*(f"fc{i}" for i in range(1, len(layers))), "fcLast"]
    result: dict[str, Matrix] = {}
    columns = None
    norms = {name.split("_")[0] for name in matrices if name.endswith(("_gamma", "_beta"))}
    for layer in order:
        for kind in ("weight", "bias", "gamma", "beta"):
            name = f"{layer}_{kind}"
            if kind in ("gamma", "beta") and not norms:
                continue
            if name not in matrices:
                raise DataError(f"{path}: {name} is missing")
            result[name] = matrices[name]
            rows = matrices[f"{layer}_weight"].shape[0] if kind == "weight" else 1
            width = matrices[f"{layer}_weight"].shape[1]
            if matrices[name].shape != (rows, width):
                raise DataError(f"{path}: {name} has shape {matrices[name].shape}; {(rows, width)} belongs here")
        if columns not in (None, matrices[f"{layer}_weight"].shape[0]):
            raise DataError(
                f"{path}: {layer}_weight has {matrices[f'{layer}_weight'].shape[0]} rows, but the layer before it has "
                f"{columns} outputs"
            )
        columns = matrices[f"{layer}_weight"].shape[1]
    return result
