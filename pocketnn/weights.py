"""Weights files: `.npz` without pickle, or a folder of CSV files, one a matrix, as the reference publishes them."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pocketnn.errors import DataError, UsageError
from pocketnn.files import atomic_folder, atomic_write
from pocketnn.outside import parse_json

__all__ = ["check_target", "load_weights", "save_weights"]

Matrix = np.ndarray[Any, np.dtype[np.int64]]
Meta = dict[str, int | str]

_NAME = re.compile(r"(fc\d+|fcLast)_(weight|bias|gamma|beta)")
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_PLAIN = re.compile(r"-?\d{1,14}(,-?\d{1,14})*,?", re.ASCII)  # a row of integers that 48 bits hold for sure
_LIMIT = 1 << 47  # the widest word has 48 bits
_MAX_BYTES = 256 << 20  # in all, uncompressed; a network of the size pocketnn is for has less than one
_MOST = _MAX_BYTES // 8  # numbers of a matrix
_LONGEST = 1 << 21  # characters of a row: 65,536 numbers, and more of short ones


def save_weights(path: Path, parameters: Mapping[str, Any], meta: Mapping[str, int | str]) -> None:
    """Save matrices by name (`fc1_weight`, ...) and what else the network is (`meta`): all of it, or nothing.

    A name ending in .npz becomes one file; any other a folder of CSV files with a comma after every number, and
    meta.json if there is any meta. An existing folder is replaced only if it holds nothing but such files. Raises
    UsageError otherwise, DataError for what `load_weights` would not read, OSError if it cannot be written.
    """
    check_target(path)
    matrices = _checked(path, {name: _matrix(np.asarray(m), f"{path}: {name}") for name, m in parameters.items()})
    text = json.dumps(_meta(dict(meta), path))
    _parsed(text, path)
    if path.suffix == ".npz":
        arrays: dict[str, Any] = {"meta": np.array(text), **matrices}
        with atomic_write(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
        return
    with atomic_folder(path) as new:
        for name, matrix in matrices.items():
            lines = ("".join(f"{value}," for value in row) for row in matrix.tolist())
            (new / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines), encoding="ascii", newline="\n")
        if meta:
            (new / "meta.json").write_text(f"{text}\n", encoding="utf-8")


def check_target(path: Path) -> None:
    """Refuse, before a long run, a path that `save_weights` would refuse after it. Raises UsageError."""
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        state = "cannot be written to" if parent.is_dir() else "does not exist"
        raise UsageError(f"{path}: the folder {parent} {state}; name another, or make it first")
    if path.suffix == ".npz":
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; name a file that ends in .npz, or a folder that does not")
    elif path.exists() and not (path.is_dir() and all(_ours(f.name) and f.is_file() for f in path.iterdir())):
        raise UsageError(f"{path}: exists and holds something other than weights; name another folder, or FILE.npz")


def _ours(name: str) -> bool:
    return name == "meta.json" or (name.endswith(".csv") and _NAME.fullmatch(name[:-4]) is not None)


def load_weights(path: Path) -> tuple[dict[str, Matrix], Meta]:
    """Read what `save_weights` wrote, or the reference's folder of CSV files; matrices in the order of the layers.

    Raises DataError for anything that is not a whole network of integers of at most 48 bits: floats, ragged rows,
    pickled objects, missing layers, layers whose sizes do not follow on each other, more than 256 MiB uncompressed.
    """
    try:
        matrices, meta = _load_folder(path) if path.is_dir() else _load_npz(path)
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}") from error
    return _checked(path, matrices), meta


def _load_folder(path: Path) -> tuple[dict[str, Matrix], Meta]:
    files = sorted(entry for entry in path.iterdir() if _ours(entry.name))
    size = sum(entry.stat().st_size for entry in files)
    if size > _MAX_BYTES:
        raise DataError(f"{path}: {size} bytes of weights; at most {_MAX_BYTES} are read")
    meta: Meta = {}
    if (path / "meta.json").exists():
        meta = _parsed((path / "meta.json").read_text(encoding="utf-8", errors="replace"), path / "meta.json")
    return {entry.stem: _load_csv(entry) for entry in files if entry.suffix == ".csv"}, meta


def _load_csv(path: Path) -> Matrix:
    rows: list[Matrix] = []
    with path.open(newline="\n", encoding="utf-8", errors="replace") as file:
        while (line := file.readline(_LONGEST + 1)) or not rows:
            where = f"{path}: row {len(rows) + 1}"
            if len(line) > _LONGEST:
                raise DataError(f"{where} is longer than {_LONGEST} characters; no layer is that wide")
            rows.append(_row(line.rstrip("\r\n"), where))
            if len(rows[-1]) != len(rows[0]):
                raise DataError(f"{where} has {len(rows[-1])} numbers, row 1 has {len(rows[0])}")
            if len(rows) * len(rows[0]) > _MOST:
                raise DataError(f"{path}: more than {_MOST} numbers; no network is that large")
    return np.array(rows, np.int64)


def _row(line: str, where: str) -> Matrix:
    cells = line.removesuffix(",").split(",") if line else []
    if not cells:
        raise DataError(f"{where}: no numbers in it")
    if _PLAIN.fullmatch(line):
        return np.array(list(map(int, cells)), np.int64)
    return np.array([_integer(cell, f"{where}, column {i}") for i, cell in enumerate(cells, 1)], np.int64)


def _integer(cell: str, where: str) -> int:
    if not _INTEGER.fullmatch(cell):
        raise DataError(f"{where}: {cell[:40]!r} where an integer belongs")
    if len(cell) > 40 or not -_LIMIT <= int(cell) < _LIMIT:
        raise DataError(f"{where}: the integer {cell[:40].strip()} does not fit into 48 bits")
    return int(cell)


def _load_npz(path: Path) -> tuple[dict[str, Matrix], Meta]:
    content: dict[str, Any] = {}
    part = "it"
    try:
        size = _unpacked_size(path)
        if size > _MAX_BYTES:
            raise DataError(f"{path}: {size} bytes of weights; at most {_MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as arrays:
            for part in arrays.files:
                content[part] = arrays[part]
    except (DataError, OSError):
        raise
    except Exception as error:  # what decompressors and NumPy's header parser raise has no common root
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path}: not a weights file, {part} cannot be read ({reason})") from error
    meta = _parsed(str(content.pop("meta", "{}")), path)
    return {name: _matrix(array, f"{path}: {name}") for name, array in content.items()}, meta


def _unpacked_size(path: Path) -> int:
    """Bytes that an .npz file says it holds. Raises DataError if it is none at all."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{path}: not a weights file, or cut off; give an .npz file as `train --save FILE.npz` writes it, or a "
            "folder of CSV files like fc1_weight.csv"
        ) from error


def _matrix(array: Any, where: str) -> Matrix:
    """The array as int64, once it is known to be a matrix of integers of at most 48 bits."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim != 2 or array.size == 0:
        kind = "no array"
        if isinstance(array, np.ndarray):
            kind = f"{array.dtype} in {array.ndim} dimensions {array.shape}"
        raise DataError(f"{where} is {kind}; a matrix of integers belongs here")
    if array.size > _MOST:
        raise DataError(f"{where} has {array.size} numbers; at most {_MOST} are read, and no network is that large")
    for index in (int(array.argmin()), int(array.argmax())):
        row, column = divmod(index, array.shape[1])
        value = int(array[row, column])
        if not -_LIMIT <= value < _LIMIT:
            raise DataError(f"{where}: row {row + 1}, column {column + 1}: {value} does not fit into 48 bits")
    return array.astype(np.int64)


def _parsed(text: str, path: Path) -> Meta:
    return _meta(parse_json(text, f"{path}: the description of the network"), path)


def _meta(meta: Any, path: Path) -> Meta:
    if not isinstance(meta, dict) or not all(type(k) is str and type(v) in (int, str) for k, v in meta.items()):
        text = repr(meta)[:60]
        raise DataError(f"{path}: the description of the network is {text}; names with integers or texts belong here")
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
