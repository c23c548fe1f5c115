"""Datasets: IDX files, found by name or fetched; handwritten digits are bundled."""

from pocketnn.cache import cache_folder
from pocketnn.data.catalogue import KNOWN, Dataset, Place, Split, load_dataset, places
from pocketnn.data.fetch import MIRRORS, fetch
from pocketnn.data.idx import read_idx, write_idx

__all__ = [
    "KNOWN",
    "MIRRORS",
    "Dataset",
    "Place",
    "Split",
    "cache_folder",
    "fetch",
    "load_dataset",
    "places",
    "read_idx",
    "write_idx",
]
