"""Datasets found by name, and what must be true of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pocketnn.cache import cache_folder
from pocketnn.data.idx import Bytes, read_idx
from pocketnn.errors import DataError, UsageError

__all__ = ["FILES", "KNOWN", "Dataset", "Place", "Split", "load_dataset", "places"]

KNOWN = ("digits", "mnist", "fashion-mnist")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_SYSTEM = Path("/usr/share/datasets")  # Debian's dataset packages


@dataclass(frozen=True, slots=True)
class Split:
    """Images (N x pixels) and their labels (N), unsigned bytes."""

    images: Bytes
    labels: Bytes

    def first(self, count: int | None) -> Split:
        """The first `count` samples; all of them for None."""
        return self if count is None else Split(self.images[:count], self.labels[:count])

    def last(self, count: int) -> Split:
        """The last `count` samples."""
        return Split(self.images[len(self.labels) - count :], self.labels[len(self.labels) - count :])


@dataclass(frozen=True, slots=True)
class Dataset:
    """Training and test images of `classes` classes, read from the folder `source`.

    Labels are 0 to classes - 1; training and test images have the same size.
    """

    name: str
    train: Split
    test: Split
    classes: int
    source: str

    @property
    def pixels(self) -> int:
        """Pixels of an image."""
        return int(self.train.images.shape[1])

    @property
    def greatest_pixel(self) -> int:
        """The greatest pixel of all training and test images."""
        return max(int(split.images.max(initial=0)) for split in (self.train, self.test))

    def held_out(self) -> Dataset:
        """For choosing between recipes: the last sixth of the training images in place of the test images.

        The test images are out of sight. Of 60000 training images, the first 50000 train and the last 10000 judge.
        """
        judging = len(self.train.labels) // 6
        training = self.train.first(len(self.train.labels) - judging)
        return Dataset(self.name, training, self.train.last(judging), self.classes, self.source)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder where a dataset is looked for. missing: which of its files are not there; all of them if no folder."""

    folder: Path
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the dataset can be read from here."""
        return not self.missing


def places(name: str) -> Iterator[Place]:
    """The folders where a dataset of that name is looked for, in order."""
    own = os.environ.get("POCKETNN_DATA")
    folders = [Path(own) / name] if own else []
    with contextlib.suppress(UsageError):  # without a home there is no cache to look into
        folders.append(cache_folder() / name)
    folders.append(_SYSTEM / name)
    if name == "digits":
        folders.append(Path(str(files("pocketnn.data"))) / "digits")
    for folder in folders:
        yield _place(folder)


def _place(folder: Path) -> Place:
    return Place(folder, tuple(file for file in FILES if _file(folder, file) is None))


def _file(folder: Path, file: str) -> Path | None:
    # os.path, for Path.is_file raises if the folder may not be entered or the name is too long
    return next((path for path in (folder / file, folder / f"{file}.gz") if os.path.isfile(path)), None)


def load_dataset(name: str, limit: int | None = None) -> Dataset:
    """Read a dataset by name, or from a folder that holds its four IDX files.

    limit: keep only the first N training and the first N test images. The known names have 10 classes; anything else
    has as many as its training labels say, at least 2. Raises DataError if it is not found, incomplete, empty, or its
    parts do not go together; UsageError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}: keep at least 1 sample")
    if os.sep in name or name in (".", ".."):
        found = _place(Path(name))
        if not found.complete:
            raise DataError(f"{name}: no dataset there; missing {', '.join(found.missing)} (each may end in .gz)")
        return _read(os.path.basename(os.path.realpath(name)), found.folder, None, limit)
    looked = list(places(name))
    for place in looked:
        if place.complete:
            return _read(name, place.folder, 10 if name in KNOWN else None, limit)
    if os.path.isdir(name):
        return load_dataset(os.path.join(os.curdir, name), limit)
    where = ", ".join(
        f"{place.folder} (missing {', '.join(place.missing)})" if os.path.isdir(place.folder) else str(place.folder)
        for place in looked
    )
    advice = f"get it with 'pocketnn data fetch {name}' or set POCKETNN_DATA" if name in KNOWN else (
        f"known names are {', '.join(KNOWN)}; a folder is named with its path"
    )  # fmt: skip
    raise DataError(f"dataset {name!r} is not in {where}; {advice}")


def _read(name: str, folder: Path, classes: int | None, limit: int | None) -> Dataset:
    paths = [path for path in (_file(folder, file) for file in FILES) if path is not None]
    (train, size), (test, test_size) = _split(*paths[:2]), _split(*paths[2:])
    if size != test_size:
        raise DataError(
            f"{paths[2]}: images of {test.images.shape[1]} pixels {test_size}, but {paths[0].name} has "
            f"{train.images.shape[1]} pixels {size}"
        )
    classes = classes or max(2, int(train.labels.max()) + 1)
    for path, split in ((paths[1], train), (paths[3], test)):
        wrong = (split.labels >= classes).nonzero()[0]
        if wrong.size:
            raise DataError(f"{path}: label {wrong[0]} is {split.labels[wrong[0]]}; labels here are 0 to {classes - 1}")
    return Dataset(name, train.first(limit), test.first(limit), classes, str(folder))


def _split(images_path: Path, labels_path: Path) -> tuple[Split, tuple[int, ...]]:
    """Images and labels that go together, and the shape of an image."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if labels.ndim != 1 or images.ndim < 2:
        raise DataError(
            f"{images_path}, {labels_path}: {images.ndim} and {labels.ndim} dimensions; images have 2 or 3, labels 1"
        )
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: {len(labels)} labels for {len(images)} images in {images_path.name}")
    if images.size == 0:
        raise DataError(f"{images_path}: holds no images")
    return Split(images.reshape(len(images), -1), labels), images.shape[1:]
