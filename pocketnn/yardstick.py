"""The yardstick of `pocketnn bench`: the same network in plain int64 NumPy, as one would write it without pocketnn.

No registers, no flags, no certificates: pocket_tanh, DFA, L2 loss, the reference's draws. It serves speed comparisons
(and, as long as nothing overflows 64 bits, as an independent second opinion on the emulator's numbers).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from pocketnn.data import Dataset
from pocketnn.init import Rand, init_limit

__all__ = ["train_int64"]

Ints = np.ndarray[Any, np.dtype[np.int64]]


def _divide(a: Ints, b: Ints | int) -> Ints:
    """Truncating division; NumPy's integer division floors."""
    quotient: Ints = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return quotient


def _pocket_tanh(sums: Ints, fan_in: int) -> tuple[Ints, Ints]:
    x = _divide(sums, 256 * fan_in)
    pieces = [x < -127, x < -74, x < -31, x < 32, x < 75, x < 128]
    y = np.select(pieces, [-127, _divide(x, 4) - 88, x - 32, 2 * x, x + 32, _divide(x, 4) + 88], 127)
    return y, np.select(pieces, [127, 8, 2, 1, 2, 8], 127)


def train_int64(dataset: Dataset, hidden: tuple[int, ...], epochs: int, seed: int = 1) -> list[tuple[int, int, int]]:
    """Train with batch 20 and lr_inv 1000; per epoch (loss sum, train correct, test correct), then a last pass over
    the training images whose count is the last row's only figure: (0, correct, 0)."""
    rand = Rand(seed)
    dims = (dataset.pixels, *hidden, dataset.classes)
    count, batch = len(dataset.train.labels), 20
    weights = [np.zeros(pair, np.int64) for pair in pairwise(dims)]
    biases = [np.zeros((1, n), np.int64) for n in dims[1:]]
    feedback: list[Ints] = []
    order = list(range(count))
    results = []

    def forward(x: Ints) -> tuple[list[Ints], list[Ints]]:
        activations, slopes = [x], []
        for weight, bias in zip(weights, biases, strict=True):
            y, slope = _pocket_tanh(activations[-1] @ weight + bias, weight.shape[0])
            activations.append(y)
            slopes.append(slope)
        return activations, slopes

    def correct(images: Any, labels: Any) -> int:
        hits = 0
        for start in range(0, len(labels), 500):
            outputs = forward(images[start : start + 500].astype(np.int64))[0][-1]
            hits += int((outputs.argmax(1) == labels[start : start + 500]).sum())
        return hits

    for _ in range(epochs):
        rand.shuffle(order)
        loss, hits = 0, 0
        for start in range(0, count - batch + 1, batch):
            chosen = np.array(order[start : start + batch])
            labels = dataset.train.labels[chosen]
            activations, slopes = forward(dataset.train.images[chosen].astype(np.int64))
            error = activations[-1] - np.where(np.arange(dataset.classes) == labels[:, None], 15, 0)
            loss += int((error * error // 2).sum())
            hits += int((activations[-1].argmax(1) == labels).sum())
            if not feedback:
                drawn = [
                    rand.nonzero(init_limit(dims[i], dims[i + 1]), dims[-1], dims[i + 1])
                    for i in reversed(range(len(hidden)))
                ]
                feedback = [np.array(matrix, np.int64) for matrix in reversed(drawn)]
            for i in reversed(range(len(weights))):
                back = error if i == len(weights) - 1 else error @ feedback[i]
                delta = _divide(back, slopes[i])
                weights[i] = np.clip(weights[i] + _divide(activations[i].T @ delta, -1000), -32767, 32767)
                biases[i] = np.clip(biases[i] + _divide(delta.sum(0, keepdims=True), -1000), -32767, 32767)
        results.append((loss, hits, correct(dataset.test.images, dataset.test.labels)))
    results.append((0, correct(dataset.train.images, dataset.train.labels), 0))
    return results
