"""Floating-point twins of the integer networks, for comparison: what the same layers reach without integer arithmetic.

    python tests/bench/float_twins.py --data mnist --algorithm bp --epochs 24 --seeds 1,2,3,4,5

The same layer sizes, batches, number of epochs, linear fall of the learning rate, and protocol as `pocketnn bench
accuracy`: accuracy of the last epoch over all images it is judged on; --validation judges on the last sixth of the
training images. Hidden layers are tanh, the loss is cross-entropy after softmax, float32 throughout, plain stochastic
gradient descent; nothing else (no momentum, decay, dropout or augmentation). The learning rates are
usual ones, not tuned. One JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from statistics import mean, stdev

import numpy as np

from pocketnn.data import Dataset, load_dataset

HIDDEN = {"fashion-mnist": (200, 100, 50)}  # the reference's layer sizes; for all other data 100, 50


def train_float(dataset: Dataset, hidden: tuple[int, ...], algorithm: str, epochs: int, rate: float, seed: int):
    """Train in float32; correct predictions on the test images after each epoch."""
    rng = np.random.default_rng(seed)
    dims = (dataset.pixels, *hidden, dataset.classes)
    scale = np.float32(1 / dataset.train.images.max())
    images, labels = dataset.train.images * scale, dataset.train.labels
    tests = dataset.test.images * scale
    weights = [(rng.standard_normal((n, m)) / n**0.5).astype(np.float32) for n, m in pairwise(dims)]
    biases = [np.zeros(m, np.float32) for m in dims[1:]]
    feedback = [(rng.standard_normal((dims[-1], m)) / dims[-1] ** 0.5).astype(np.float32) for m in dims[1:-1]]
    wanted = np.eye(dataset.classes, dtype=np.float32)
    batch, curve = 20, []
    delta = following = weights[-1]  # before the first layer from behind there is neither

    def forward(x):
        activations = [x]
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = x @ weight + bias
            activations.append(x if i == len(hidden) else np.tanh(x))
            x = activations[-1]
        return activations

    for epoch in range(epochs):
        step = np.float32(rate * (epochs - epoch) / epochs / batch)
        order = rng.permutation(len(labels))
        for start in range(0, len(labels) - batch + 1, batch):
            chosen = order[start : start + batch]
            activations = forward(images[chosen])
            powers = np.exp(activations[-1] - activations[-1].max(1, keepdims=True))
            error = delta = powers / powers.sum(1, keepdims=True) - wanted[labels[chosen]]
            for i in reversed(range(len(weights))):
                if i < len(hidden):
                    back = error @ feedback[i] if algorithm == "dfa" else following @ delta.T
                    delta = (back if algorithm == "dfa" else back.T) * (1 - activations[i + 1] ** 2)
                following = weights[i].copy()  # back-propagation here uses the weights from before the update
                weights[i] -= step * (activations[i].T @ delta)
                biases[i] -= step * delta.sum(0)
        curve.append(int((forward(tests)[-1].argmax(1) == dataset.test.labels).sum()))
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--algorithm", choices=["bp", "dfa"], default="bp")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--validation", action="store_true")
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    dataset = dataset.held_out() if options.validation else dataset
    hidden = HIDDEN.get(options.data, (100, 50))
    seeds = [int(seed) for seed in options.seeds.split(",")]
    curves = [train_float(dataset, hidden, options.algorithm, options.epochs, options.rate, seed) for seed in seeds]
    last = [100 * curve[-1] / len(dataset.test.labels) for curve in curves]
    deviation = stdev(last) if len(last) > 1 else 0.0
    print(json.dumps({**vars(options), "hidden": hidden, "mean": mean(last), "deviation": deviation, "curves": curves}))


if __name__ == "__main__":
    main()
