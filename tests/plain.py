"""Training by a recipe in plain int64 NumPy: a second opinion on what the options of a recipe mean.

Written from their descriptions in pocketnn/recipe.py, without registers and without the package's network code.
"""

from itertools import pairwise

import numpy as np

from pocketnn.init import Rand, init_limit


def divide(a, b):
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def tanh(sums, fan_in):
    x = divide(sums, 256 * fan_in)
    y, slope = np.full_like(x, 127), np.full_like(x, 127)
    for value, inverse, where in (
        (divide(x, 4) + 88, 8, x < 128),
        (x + 32, 2, x < 75),
        (2 * x, 1, x < 32),
        (x - 32, 2, x < -31),
        (divide(x, 4) - 88, 8, x < -74),
        (np.full_like(x, -127), 127, x < -127),
    ):
        y, slope = np.where(where, value, y), np.where(where, inverse, slope)
    return y, slope


def each(value, count):
    value = value if isinstance(value, tuple) else (value,)
    return value * count if len(value) == 1 else value


class Plain:
    """A network in training; `run` gives (loss sum, train correct, test correct) for each epoch."""

    def __init__(self, dataset, recipe):
        self.dataset, self.recipe = dataset, recipe
        self.dims = (dataset.pixels, *recipe.hidden, dataset.classes)
        self.rand = Rand(recipe.seed)
        self.count = len(self.dims) - 1
        self.weights, self.biases = [], []
        limits = each(recipe.init, self.count) if recipe.init else [init_limit(n, m) for n, m in pairwise(self.dims)]
        for limit, (n, m) in zip(limits, pairwise(self.dims), strict=True):
            drawn = recipe.init or recipe.algorithm == "bp"
            for where, rows in ((self.weights, n), (self.biases, 1)):
                where.append(np.array(self.rand.nonzero(limit, rows, m) if drawn else [[0] * m] * rows))
        self.left = [np.zeros_like(matrix) for matrix in (*self.weights, *self.biases)]
        self.feedback = []

    def forward(self, images, moved=(0, 0)):
        x = images.astype(np.int64)
        if any(moved):
            side = int(x.shape[1] ** 0.5)
            wide = np.pad(x.reshape(-1, side, side), ((0, 0), (side, side), (side, side)))
            top, left = side - moved[0], side - moved[1]
            x = wide[:, top : top + side, left : left + side].reshape(x.shape)
        x = x // 2**self.recipe.input_shift - self.recipe.input_centre
        activations, slopes = [x], []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            y, slope = tanh(activations[-1] @ weight + bias, weight.shape[0])
            activations.append(y)
            slopes.append(slope)
        return activations, slopes

    def change(self, parameters, i, place, gradient, rate):
        limit = each(self.recipe.weight_limit, self.count)[i]
        if self.recipe.carry:
            gradient = gradient + self.left[place]
            self.left[place] = np.fmod(gradient, rate)
        parameters[i] = np.clip(parameters[i] - divide(gradient, rate), -limit, limit)

    def step(self, images, labels, rates):
        recipe, last = self.recipe, self.count - 1
        reach = recipe.jitter
        place = self.rand.draw() % (2 * reach + 1) ** 2 if reach else 0
        activations, slopes = self.forward(images, (place // (2 * reach + 1) - reach, place % (2 * reach + 1) - reach))
        true = np.arange(self.dims[-1]) == labels[:, None]
        error = activations[-1] - np.where(true, recipe.target_on, recipe.target_off)
        if recipe.one_sided:
            error = np.where(true, np.minimum(error, 0), np.maximum(error, 0))
        loss = int((error**2 // 2).sum())
        if recipe.algorithm == "dfa" and not self.feedback:
            drawn = [
                self.rand.nonzero(init_limit(*self.dims[i : i + 2]), self.dims[-1], self.dims[i + 1])
                for i in reversed(range(last))
            ]
            self.feedback = [np.array(matrix) for matrix in reversed(drawn)]
        error = error * recipe.gain
        delta = error
        for i in reversed(range(self.count)):
            if i == last:
                back = error
            else:
                back = error @ self.feedback[i] if self.feedback else delta @ self.weights[i + 1].T
                back = divide(back, each(recipe.error_div, last)[i])
            delta = divide(back, slopes[i])
            self.change(self.weights, i, i, activations[i].T @ delta, rates[i])
            self.change(self.biases, i, self.count + i, delta.sum(0, keepdims=True), rates[i])
        return loss, int((activations[-1].argmax(1) == labels).sum())

    def run(self):
        recipe, train, test = self.recipe, self.dataset.train, self.dataset.test
        rates = list(each(recipe.lr_inv, self.count))
        order = list(range(len(train.labels)))
        results = []
        for epoch in range(1, recipe.epochs + 1):
            if recipe.schedule == "linear":
                rates = [r * recipe.epochs // (recipe.epochs + 1 - epoch) for r in each(recipe.lr_inv, self.count)]
            elif epoch % recipe.lr_doubling == 0:
                rates = [2 * r for r in rates]
            self.rand.shuffle(order)
            sums = np.zeros(2, int)
            for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
                chosen = np.array(order[start : start + recipe.batch])
                sums += self.step(train.images[chosen], train.labels[chosen], rates)
            tested = int((self.forward(test.images)[0][-1].argmax(1) == test.labels).sum())
            results.append((*map(int, sums), tested))
        return results
