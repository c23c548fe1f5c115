"""Training by a recipe in plain int64 NumPy: a second opinion on what the options of a recipe mean.

Written from their descriptions in pocketnn/recipe.py, without registers and without the package's network code.
"""

from itertools import pairwise

import numpy as np

from pocketnn.init import Rand, init_limit


def divide(a, b):
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def tanh(sums, scale):
    x = divide(sums, scale)
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


def patches(images, channels):
    """Each 5 x 5 window of the images (N x pixels), row after row: N x rows x columns x depth."""
    side = int((images.shape[1] // channels) ** 0.5)
    windows = np.lib.stride_tricks.sliding_window_view(images.reshape(-1, channels, side, side), (5, 5), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(images), side - 4, side - 4, -1)


def blocks(maps):
    """The 2 x 2 blocks of maps (N x rows x columns x filters), an odd last row or column left out: a view."""
    rows, columns = maps.shape[1] // 2, maps.shape[2] // 2
    return maps[:, : 2 * rows, : 2 * columns].reshape(len(maps), rows, 2, columns, 2, -1)


class Plain:
    """A network in training; `run` gives (loss sum, train correct, test correct) for each epoch."""

    def __init__(self, dataset, recipe):
        self.dataset, self.recipe = dataset, recipe
        self.channels, side, sizes = (1, *recipe.conv), int(dataset.pixels**0.5), []
        for filters in recipe.conv:
            side = (side - 4) // 2
            sizes.append(filters * side * side)
        self.dims = (dataset.pixels, *sizes, *recipe.hidden, dataset.classes)
        shapes = list(pairwise(self.dims))
        for i, filters in enumerate(recipe.conv):
            shapes[i] = (25 * self.channels[i], filters)
        self.rand = Rand(recipe.seed)
        self.count = len(self.dims) - 1
        self.weights, self.biases = [], []
        limits = each(recipe.init, self.count) if recipe.init else [init_limit(n, m) for n, m in shapes]
        for limit, (n, m) in zip(limits, shapes, strict=True):
            drawn = recipe.init or recipe.algorithm == "bp"
            for where, rows in ((self.weights, n), (self.biases, 1)):
                where.append(np.array(self.rand.nonzero(limit, rows, m) if drawn else [[0] * m] * rows))
        self.left = [np.zeros_like(matrix) for matrix in (*self.weights, *self.biases)]
        self.feedback = []
        self.fans = [n for n, _ in shapes]

    def forward(self, images, moved=(0, 0)):
        x = images.astype(np.int64)
        if any(moved):
            side = int(x.shape[1] ** 0.5)
            wide = np.pad(x.reshape(-1, side, side), ((0, 0), (side, side), (side, side)))
            top, left = side - moved[0], side - moved[1]
            x = wide[:, top : top + side, left : left + side].reshape(x.shape)
        x = x // 2**self.recipe.input_shift - self.recipe.input_centre
        scales = each(self.recipe.scale, self.count) if self.recipe.scale else [256 * n for n in self.fans]
        divisors = (*each(self.recipe.activation_div, self.count - 1), 1)
        activations, slopes = [x], []
        for i, (weight, bias, scale, divisor) in enumerate(
            zip(self.weights, self.biases, scales, divisors, strict=True)
        ):
            x = activations[-1] if i >= len(self.recipe.conv) else patches(activations[-1], self.channels[i])
            y, slope = tanh(x @ weight + bias, scale)
            if y.ndim == 4:
                y, slope = blocks(y).max((2, 4)).transpose(0, 3, 1, 2).reshape(len(images), -1), (x, y, slope)
            activations.append(divide(y, divisor))
            slopes.append(slope)
        return activations, slopes

    def change(self, parameters, i, place, gradient, rate):
        limit = each(self.recipe.weight_limit, self.count)[i]
        if self.recipe.carry_div:
            gradient = divide(gradient, rate // self.recipe.carry_div)
            rate = self.recipe.carry_div
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
        if recipe.error_limit:
            error = np.clip(error, -recipe.error_limit, recipe.error_limit)
        loss = int((divide(error, recipe.loss_div) ** 2 // 2).sum())
        if recipe.algorithm == "dfa" and not self.feedback:
            ranges = each(recipe.feedback_limit, last) if recipe.feedback_limit else [
                init_limit(*pair) for pair in pairwise(self.dims[:-1])
            ]  # fmt: skip
            drawn = [
                self.rand.nonzero(ranges[i], self.dims[-1], self.dims[i + 1]) for i in reversed(range(last))
            ]  # fmt: skip
            self.feedback = [np.array(matrix) for matrix in reversed(drawn)]
        error = error * recipe.gain
        delta = error
        for i in reversed(range(self.count)):
            if i == last:
                back = error
            else:
                back = error @ self.feedback[i] if self.feedback else delta @ self.weights[i + 1].T
                back = divide(back, each(recipe.error_div, last)[i])
                if recipe.error_limit:
                    back = np.clip(back, -recipe.error_limit, recipe.error_limit)
            x, slope = activations[i], slopes[i]
            if isinstance(slope, tuple):
                x, maps, slope = slope
                back = self.unpool(back, maps)
                x, back, slope = (array.reshape(-1, array.shape[-1]) for array in (x, back, slope))
            delta = divide(back, slope)
            self.change(self.weights, i, i, x.T @ delta, rates[i])
            self.change(self.biases, i, self.count + i, delta.sum(0, keepdims=True), rates[i])
        return loss, int((activations[-1].argmax(1) == labels).sum())

    @staticmethod
    def unpool(error, maps):
        """The error of each block, at its greatest activations."""
        spread = np.zeros_like(maps)
        tops = blocks(maps).max((2, 4), keepdims=True)
        error = error.reshape(len(maps), maps.shape[3], tops.shape[1], tops.shape[3]).transpose(0, 2, 3, 1)
        chosen = np.where(blocks(maps) == tops, error[:, :, None, :, None], 0)
        rows, columns = 2 * tops.shape[1], 2 * tops.shape[3]
        spread[:, :rows, :columns] = chosen.reshape(len(maps), rows, columns, -1)
        return spread

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
            total, right = 0, 0
            for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
                chosen = np.array(order[start : start + recipe.batch])
                loss, correct = self.step(train.images[chosen], train.labels[chosen], rates)
                total, right = min(total + loss, recipe.loss_limit or total + loss), right + correct
            tested = int((self.forward(test.images)[0][-1].argmax(1) == test.labels).sum())
            results.append((total, right, tested))
        return results
