"""Small made-up datasets for tests."""

import numpy as np

from pocketnn.data import Dataset, Split


def blobs(count=60, pixels=12, classes=3, seed=0, top=255):
    """Images whose class is where their bright pixels are: learnable in a few steps."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count).astype(np.uint8)
    images = rng.integers(0, top // 4 + 1, (count, pixels)).astype(np.uint8)
    block = pixels // classes
    for image, label in zip(images, labels, strict=True):
        image[int(label) * block : (int(label) + 1) * block] = top
    half = count // 2
    return Dataset(
        "blobs", Split(images[:half], labels[:half]), Split(images[half:], labels[half:]), classes, "made up"
    )
