"""Downloads datasets from their official mirrors and believes only what its SHA-256 vouches for."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pocketnn.data.catalogue import FILES, cache_folder
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


def fetch(
    name: str,
    mirrors: Sequence[str] | None = None,
    target: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Download a dataset into the user's cache (or `target`); returns its folder.

    Files that are there with the right content are kept. mirrors: base addresses tried in order, by default the
    official ones. progress: called with a file name, bytes done, bytes in all (0 if unknown). Raises UsageError for a
    name that cannot be fetched, DataError naming every mirror and what went wrong there.
    """
    if name == "digits":
        raise UsageError("digits is bundled with pocketnn: there is nothing to fetch")
    if name not in SHA256:
        raise UsageError(f"{name!r} cannot be fetched; there are {', '.join(SHA256)}")
    folder = target or cache_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, digest in zip(FILES, SHA256[name], strict=True):
        path = folder / f"{file}.gz"
        if path.is_file() and _digest(path.read_bytes()) == digest:
            continue
        failures = []
        for mirror in mirrors or MIRRORS[name]:
            try:
                content = _download(f"{mirror.rstrip('/')}/{file}.gz", file, progress)
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append(f"{mirror} ({error})")
                continue
            found = _digest(content)
            if found == digest:
                with atomic_write(path) as out:
                    out.write(content)
                break
            failures.append(f"{mirror} (SHA-256 of the content is {found}, not {digest})")
        else:
            raise DataError(f"{name}: could not get {file}.gz from {'; '.join(failures)}")
    return folder


def _download(url: str, file: str, progress: Callable[[str, int, int], None] | None) -> bytes:
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


def _digest(zipped: bytes) -> str:
    """SHA-256 of what gzip data hold; of nothing if they are damaged or hold more than any file should."""
    try:
        stream = zlib.decompressobj(wbits=31)
        content = stream.decompress(zipped, _MAX_CONTENT)
    except zlib.error:
        content = b""
    return hashlib.sha256(content).hexdigest()
