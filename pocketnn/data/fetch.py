"""Downloads datasets from their official mirrors and believes only what its SHA-256 vouches for."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from pocketnn.cache import make_cache
from pocketnn.data.catalogue import FILES
from pocketnn.errors import DataError, UsageError
from pocketnn.files import atomic_write

__all__ = ["MIRRORS", "SHA256", "fetch"]

MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}
# Of the uncompressed IDX files, so that a mirror may compress as it likes; in the order of FILES.
SHA256: dict[str, tuple[str, ...]] = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
_MAX_DOWNLOAD = 64 << 20  # the largest file has 26 MB
_MAX_CONTENT = 64 << 20  # uncompressed: 47 MB
_PIECE = 1 << 16

Progress = Callable[[str, int, int], None]


def fetch(
    name: str,
    mirrors: Sequence[str] | None = None,
    target: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download a dataset into the user's cache (or `target`); returns its folder.

    Files that are there with the right content are kept. mirrors: base addresses tried in order, by default the
    official ones. progress: called with a file name, bytes done, bytes in all (0 if unknown). Raises UsageError for a
    name that cannot be fetched, DataError naming every mirror and what went wrong there, or the file that could not be
    written.
    """
    if name == "digits":
        raise UsageError("digits is bundled with pocketnn: there is nothing to fetch")
    if name not in SHA256:
        raise UsageError(f"{name!r} cannot be fetched; there are {', '.join(SHA256)}")
    folder = target
    try:
        folder = folder or make_cache() / name
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from error
    for file, digest in zip(FILES, SHA256[name], strict=True):
        path = folder / f"{file}.gz"
        if _is_whole(path, digest):
            continue
        content = _from_mirrors(mirrors or MIRRORS[name], name, file, digest, progress)
        try:
            with atomic_write(path) as out:
                out.write(content)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    return folder


def _from_mirrors(mirrors: Sequence[str], name: str, file: str, digest: str, progress: Progress | None) -> bytes:
    """The gzip file from the first mirror that has it as it should be."""
    failures = []
    for mirror in mirrors:
        try:
            content = _download(f"{mirror.rstrip('/')}/{file}.gz", file, progress)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{mirror} ({error})")
            continue
        flaw = _flaw(io.BytesIO(content), digest)
        if flaw is None:
            return content
        failures.append(f"{mirror} (SHA-256 is not {digest}: {flaw})")
    raise DataError(f"{name}: could not get {file}.gz from {'; '.join(failures)}")


def _download(url: str, file: str, progress: Progress | None) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "pocketnn"})
    if not url.startswith(("http://", "https://")):
        raise ValueError("a mirror's address starts with http:// or https://")
    with urllib.request.urlopen(request, timeout=30) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        content = bytearray()
        while piece := answer.read(_PIECE):
            content += piece
            if len(content) > _MAX_DOWNLOAD:
                raise ValueError(f"more than {_MAX_DOWNLOAD} bytes")
            if progress:
                progress(file, len(content), total)
    if total and len(content) != total:
        raise ValueError(f"cut off after {len(content)} of {total} bytes")
    return bytes(content)


def _is_whole(path: Path, digest: str) -> bool:
    """Whether the file is there and holds what it should."""
    try:
        with path.open("rb") as file:
            return _flaw(file, digest) is None
    except OSError:
        return False


def _flaw(zipped: IO[bytes], digest: str) -> str | None:
    """What is wrong with a gzip file whose content should have that SHA-256; None if nothing is.

    The whole file counts, its checksum and what follows included: what passes here can be read afterwards.
    """
    sha, size = hashlib.sha256(), 0
    try:
        with gzip.GzipFile(fileobj=zipped) as stream:
            while piece := stream.read(_PIECE):
                sha.update(piece)
                size += len(piece)
                if size > _MAX_CONTENT:
                    return f"it unpacks to more than {_MAX_CONTENT} bytes"
    except (OSError, EOFError, zlib.error) as error:
        return f"not a whole gzip file, {error}"
    return None if sha.hexdigest() == digest else f"the content has {sha.hexdigest()}"
