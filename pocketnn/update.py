"""Update rules: how a gradient changes the weights and biases of a layer. Written against Machine alone."""

from __future__ import annotations

from dataclasses import dataclass

from pocketnn.arith import Role, Values
from pocketnn.machine import Machine
from pocketnn.nn import Layer

__all__ = ["Rate", "Update"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A learning rate as constants of the program: what gradients are divided by, in one or two steps.

    last: the negative divisor that makes a step, -lr_inv or, of two, -carry_div. first: lr_inv / carry_div, or None.
    """

    last: Values
    first: Values | None = None


class _Parameter:
    """One matrix's rule: value <- clamp(value + gradient / -lr_inv), the division truncating.

    role: the register that the values live in. prefix: of the site names. carry: shape of the remainders if they are
    kept: what the last division left over (less than its divisor), in update registers, joins the next gradient.
    """

    def __init__(
        self, m: Machine, role: Role, prefix: str, limits: tuple[Values, Values], carry: tuple[int, ...] | None
    ) -> None:
        self.m, self.role, self.prefix, self.limits = m, role, prefix, limits
        self.remainder: Values | None = None
        if carry:
            rows, columns = carry
            self.remainder = m.load([[0] * columns] * rows, Role.UPDATE, at=f"{prefix}carry_zero")

    def updated(self, value: Values, change: Values, rate: Rate) -> Values:
        """The new value. `change` is the gradient, then what it is divided to: nothing holds the gradient any longer,
        so the next result takes its memory, which is in the host's cache still (2 to 4 % of a step of MNIST)."""
        m, at = self.m, self.prefix
        if rate.first is not None:
            change = m.div(change, rate.first, at=f"{at}first_div")
        if self.remainder is None:
            change = m.div(change, rate.last, Role.UPDATE, at=f"{at}div")
        else:  # what is divided to zero has not vanished, so the quotient is no update register's business
            change = m.add(change, self.remainder, at=f"{at}carry_add")
            step = m.div(change, rate.last, at=f"{at}div")
            spent = m.mul(step, rate.last, at=f"{at}carry_mul")
            self.remainder = m.sub(change, spent, Role.UPDATE, at=f"{at}carry_sub")
            change = step
        return m.clamp(m.add(value, change, at=f"{at}add"), *self.limits, self.role, at=f"{at}clamp")


class Update:
    """Updates a layer by its delta; with batch normalisation the bias stays, since beta takes its place.

    weight_limit: weights and biases are clamped to +-weight_limit. carry: see _Parameter; not for gamma and beta.
    """

    def __init__(self, layer: Layer, weight_limit: int, carry: bool = False) -> None:
        m = layer.m
        limits = m.limits(weight_limit, "clamp")
        self.layer, self.m = layer, m.scope("update")
        self.weight = _Parameter(self.m, Role.WEIGHT, "", limits, layer.weight.shape if carry else None)
        self.bias = _Parameter(self.m, Role.BIAS, "bias_", limits, layer.bias.shape if carry else None)

    def __call__(self, delta: Values, rate: Rate) -> None:
        """One step against the gradient x^T delta of the weights, and the sum of `delta` (N x out) of the bias."""
        m, layer = self.m, self.layer
        inputs = m.transpose(layer.x, (1, 0), layer.input_role)
        layer.weight = self.weight.updated(layer.weight, m.mac(inputs, delta), rate)
        if layer.norm is None:
            layer.bias = self.bias.updated(layer.bias, m.sum(delta, 0, at="bias_sum"), rate)
