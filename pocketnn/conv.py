"""Convolution and max pooling, forward (the reference's backward convolution is unfinished and is no model)."""

from __future__ import annotations

from dataclasses import dataclass

from pocketnn.activations import Activation, activation
from pocketnn.arith import Role, Tensor, Values
from pocketnn.errors import ShapeError
from pocketnn.machine import Machine

__all__ = ["Conv2d", "Convolution", "ImageShape"]


@dataclass(frozen=True, slots=True)
class ImageShape:
    """Channels, rows and columns of an image stored row-major in one row of a batch."""

    channels: int
    height: int
    width: int


class Convolution:
    """Correlation with zero padding, bias, activation, max pooling without padding; forward.

    weight: depth x F, a filter a column, where a filter's depth runs over channel, row, column of its `kernel`; bias:
    1 x F. role: the register that images are in. As in the reference `stride` only changes the output size, the window
    always moves by 1. Raises ShapeError if the filter or the pool does not fit.
    """

    def __init__(
        self,
        m: Machine,
        image: ImageShape,
        kernel: tuple[int, int],
        weight: Values,
        bias: Values,
        activate: Activation,
        padding: int = 0,
        stride: int = 1,
        pool: tuple[int, int] = (2, 2),
        role: Role = Role.INPUT,
    ) -> None:
        self.m, self.m_forward, self.input_role = m, m.scope("forward"), role
        self.weight, self.bias, self.activation = weight, bias, activate
        (kh, kw), count = kernel, weight.shape[1]
        height = (image.height + 2 * padding - kh) // stride + 1
        width = (image.width + 2 * padding - kw) // stride + 1
        if height < pool[0] or width < pool[1]:
            raise ShapeError(f"{kh} x {kw} filters and {pool} pooling do not fit into {image} with padding {padding}")
        self.maps = ImageShape(count, height, width)
        self.pooled = ImageShape(count, height // pool[0], width // pool[1])
        self.windows = _windows(image, self.maps, kernel, padding)
        self.corners = _corners(self.maps, self.pooled, pool)
        self.x: Values
        self.y: Values
        self.best: Values

    def sums(self, images: Values) -> Values:
        """Filter sums plus bias before the activation, (N positions) x filters, from N x (C H W) images."""
        m = self.m_forward
        patches = m.gather(images, self.windows, self.input_role)
        n, positions, depth = patches.shape
        self.x = m.reshape(patches, (n * positions, depth), self.input_role)
        return m.add(m.mac(self.x, self.weight), self.bias)

    def pool(self, sums: Values) -> Values:
        """Activation and max pooling, N x (F H W), from what `sums` gave."""
        m = self.m_forward
        y = self.activation(sums)
        positions = self.maps.height * self.maps.width
        n, count = y.shape[0] // positions, self.maps.channels
        y = m.reshape(y, (n, positions, count), Role.ACTIVATION, at="by_image")
        self.y = m.transpose(y, (0, 2, 1), Role.ACTIVATION, at="channels_first")
        best = m.gather(self.y, self.corners[0], Role.ACTIVATION, at="pool_gather")
        for corner in self.corners[1:]:
            other = m.gather(self.y, corner, Role.ACTIVATION, at="pool_gather")
            best = m.max(best, other, Role.ACTIVATION, at="pool_max")
        self.best = best
        size = count * self.pooled.height * self.pooled.width
        return m.reshape(best, (n, size), Role.ACTIVATION, at="flatten")

    def forward(self, images: Values) -> Values:
        """Pooled activations, N x (F H' W'), from N x (C H W) images."""
        return self.pool(self.sums(images))


class Conv2d(Convolution):
    """Convolution as the reference has it: its activation takes the fan-in for 1.

    filters: F x C x kh x kw integers from outside; bias: 1 x F. Raises ShapeError if they do not match the image.
    """

    def __init__(
        self,
        m: Machine,
        image: ImageShape,
        filters: object,
        bias: object,
        activation_name: str = "pocket_tanh",
        padding: int = 0,
        stride: int = 1,
        pool: tuple[int, int] = (2, 2),
    ) -> None:
        loaded = m.load(filters, Role.WEIGHT, at="load_filters")
        if len(loaded.shape) != 4 or loaded.shape[1] != image.channels:
            raise ShapeError(f"filters {loaded.shape} do not match {image}: filters x channels x rows x columns")
        count, _, kh, kw = loaded.shape
        rows = m.reshape(loaded, (count, image.channels * kh * kw), Role.WEIGHT, at="flatten_filters")
        weight = m.transpose(rows, (1, 0), Role.WEIGHT, at="transpose_filters")
        known = m.load(bias, Role.BIAS, at="load_bias")
        activate = activation(m, activation_name, 1)
        super().__init__(m, image, (kh, kw), weight, known, activate, padding, stride, pool)


def _windows(image: ImageShape, maps: ImageShape, kernel: tuple[int, int], padding: int) -> Tensor:
    """For each output position the pixels under the filter, in fold order; -1 where there is only padding."""

    def pixel(c: int, y: int, x: int) -> int:
        inside = 0 <= y < image.height and 0 <= x < image.width
        return (c * image.height + y) * image.width + x if inside else -1

    items = [
        pixel(c, y + dy - padding, x + dx - padding)
        for y in range(maps.height)
        for x in range(maps.width)
        for c in range(image.channels)
        for dy in range(kernel[0])
        for dx in range(kernel[1])
    ]
    return Tensor((maps.height * maps.width, image.channels * kernel[0] * kernel[1]), tuple(items))


def _corners(maps: ImageShape, pooled: ImageShape, pool: tuple[int, int]) -> list[Tensor]:
    """For each place within the pooling window the position it has in every window."""
    return [
        Tensor(
            (pooled.height * pooled.width,),
            tuple(
                (y * pool[0] + dy) * maps.width + x * pool[1] + dx
                for y in range(pooled.height)
                for x in range(pooled.width)
            ),
        )
        for dy in range(pool[0])
        for dx in range(pool[1])
    ]
