"""Convolution layers that Direct Feedback Alignment trains: each one's error comes from its own feedback matrix, so no
error passes from one convolution to the one before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pocketnn.activations import activation
from pocketnn.arith import Role, Tensor, Values
from pocketnn.conv import Convolution, ImageShape
from pocketnn.errors import UsageError
from pocketnn.machine import Machine

__all__ = ["KERNEL", "ConvLayer", "pooled_sizes"]

KERNEL, POOL = 5, 2


class ConvLayer(Convolution):
    """A trained layer: 5 x 5 filters, no padding, 2 x 2 max pooling. Its `weight`, `bias`, `x` and `delta` are those of
    a dense layer whose rows are the positions of all images, so that one update rule is for both.

    parameters: `weight` (depth x F) and `bias` (1 x F), integers from outside. scale: what sums are divided by before
    the activation; 0: as the activation says, with the filter's depth as fan-in.
    """

    norm = None

    def __init__(
        self, m: Machine, image: ImageShape, parameters: Mapping[str, Any], activation_name: str, scale: int, role: Role
    ) -> None:
        weight = m.load(parameters["weight"], Role.WEIGHT, at="load_weight")
        bias = m.load(parameters["bias"], Role.BIAS, at="load_bias")
        activate = activation(m, activation_name, weight.shape[0], scale=scale)
        super().__init__(m, image, (KERNEL, KERNEL), weight, bias, activate, pool=(POOL, POOL), role=role)
        self.m_backward = m.scope("backward")
        self.grad_inv: Values

    def load_gradient(self) -> None:
        """Load the constants that only training has a use for."""
        self.activation.load_gradient()
        self.at_most_0 = self.m_backward.constant([1], "below")
        self.is_best = self.m_backward.constant([1, 0], "is_best")
        self.cells = _cells(self.maps, self.pooled)

    def delta(self, error: Values, neg_lr_inv: Values) -> Values:
        """The layer's delta, (N positions) x filters: `error`, N x (F H' W'), goes to the greatest of each pooling
        window, to all of them where several are greatest, and times the local slope there; 0 to all others."""
        m, (n, count, cells) = self.m_backward, self.best.shape
        error = m.reshape(error, (n, count, cells), Role.DELTA, at="by_map")
        error = m.gather(error, self.cells, Role.DELTA, at="unpool")
        best = m.gather(self.best, self.cells, Role.ACTIVATION, at="unpool_best")
        behind = m.sub(best, self.y, Role.DELTA, at="behind")
        error = m.mul(error, m.select(behind, self.at_most_0, self.is_best, Role.CONSTANT), Role.DELTA, at="route")
        error = m.transpose(error, (0, 2, 1), Role.DELTA, at="channels_last")
        error = m.reshape(error, self.grad_inv.shape, Role.DELTA, at="by_position")
        return m.div(error, self.grad_inv, Role.DELTA)


def pooled_sizes(pixels: int, filters: Sequence[int]) -> list[int]:
    """How many activations trained layers have, with so many `filters` each, on images of `pixels` pixels.

    Raises UsageError if the images are not square, or too small.
    """
    side, sizes = math.isqrt(pixels), []
    if filters and side * side != pixels:
        raise UsageError(f"convolution needs square images, and {pixels} pixels are none; leave it out")
    for count in filters:
        if side < KERNEL + POOL - 1:
            raise UsageError(
                f"conv is {','.join(map(str, filters))}: one layer too many for {pixels} pixels, since {side} x {side} "
                f"is too small for {KERNEL} x {KERNEL} filters and pooling"
            )
        side = (side - KERNEL + 1) // POOL
        sizes.append(count * side * side)
    return sizes


def _cells(maps: ImageShape, pooled: ImageShape) -> Tensor:
    """For each position the pooling window it is in; -1 outside all of them."""

    def cell(y: int, x: int) -> int:
        row, column = y // POOL, x // POOL
        return row * pooled.width + column if row < pooled.height and column < pooled.width else -1

    return Tensor((maps.height * maps.width,), tuple(cell(y, x) for y in range(maps.height) for x in range(maps.width)))
