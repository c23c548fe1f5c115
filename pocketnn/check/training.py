"""What a step of PocketNN's training consists of, written down a second time from the paper and the claim."""

from __future__ import annotations

from pocketnn.check.claim import Claim
from pocketnn.check.network import Forward, Layer
from pocketnn.check.program import Numbers, OneHot, Program, within

__all__ = ["Carried", "training_step"]

Carried = dict[str, tuple[int, int]]
"""By name, the steps that hold a value that training keeps: before a training step, and after it."""


def training_step(program: Program, claim: Claim, batch_loss: int) -> Carried:
    """Add any step of any epoch to a program; gives what it carries.

    batch_loss: the most that one step can lose, as the certificate has it.
    """
    forward = Forward(program, claim)
    step = _Training(program, claim, forward)
    if claim.flag("batch_norm") and claim.rows > 1:  # an evaluation's last batch may have but one row
        program.acc("predict", "argmax", forward(1))
    outputs = forward.learning()
    program.acc("predict", "argmax", outputs)
    loss, delta = step.loss(outputs)
    step.backward(delta)
    step.epoch(loss, batch_loss)
    return step.carried()


class _Training:
    def __init__(self, program: Program, claim: Claim, forward: Forward) -> None:
        self.program, self.claim, self.layers = program, claim, forward.layers
        self.start: dict[str, int] = {}
        self.now: dict[str, int] = {}
        for layer in self.layers:
            for kind in ("weight", "bias", *(("gamma", "beta") if claim.flag("batch_norm") else ())):
                self.start[f"{layer.name}_{kind}"] = getattr(layer, kind)
        self._rates()
        if claim.flag("carry"):
            self._remainders()
        limit = claim.number("error_limit")
        self.error_limits = (program.constant("error_lo", -limit), program.constant("error_hi", limit)) if limit else ()

    def _rates(self) -> None:
        """Inverse learning rates: of the first epoch, and of any; gradients are divided by them in one step or two."""
        claim, rates, part = self.claim, self.claim.rates(), self.claim.number("carry_div")
        self.first: list[int | None] = []
        self.last: list[int] = []
        owners = [self.program.under(name) for name in claim.names] if len(rates) > 1 else [self.program]
        for p, (least, most) in zip(owners, rates, strict=True):
            if part:
                p.constant("first_div_by", least // part)
                rate = within(least // part, most // part)
                self.first.append(p.load("first_div_by", "constant", (), rate, f"inverse learning rate / {part}"))
                self.last.append(p.constant("neg_carry_div", -part))
            else:
                p.constant("neg_lr_inv", -least)
                self.first.append(None)
                rate = within(-most, -least)
                self.last.append(p.load("neg_lr_inv", "constant", (), rate, "inverse learning rate, negative"))
        count = len(self.layers) // len(rates)
        self.first, self.last = self.first * count, self.last * count

    def _remainders(self) -> None:
        """What the last division can leave over: less than its divisor, and 0 before the first step."""
        claim, part = self.claim, self.claim.number("carry_div")
        greatest = [part or most for _, most in claim.rates()] * (len(self.layers) // len(claim.rates()))
        for layer, most in zip(self.layers, greatest, strict=True):
            n, m = claim.dims[layer.index : layer.index + 2]
            for kind, prefix, rows in (("weight", "", n), ("bias", "bias_", 1)):
                site = f"{layer.name}.update.{prefix}carry_zero"
                self.program.load(site, "update", (rows, m), Numbers((0,)))
                kept = "remainders of updates before any step"
                rest = self.program.load(site, "update", (rows, m), within(1 - most, most - 1), kept)
                self.start[f"{layer.name}_{kind}_remainder"] = rest

    # --- the step ------------------------------------------------------------------------------------------------

    def loss(self, outputs: int) -> tuple[int, int]:
        """The loss of the batch, and the error of the outputs."""
        claim, p, limit = self.claim, self.program.under("loss"), self.claim.number("error_limit")
        on, off = claim.number("target_on"), claim.number("target_off")
        shape = claim.rows, claim.classes
        target = self.program.load("target", "constant", shape, OneHot(on, off), "targets")
        raw = "accumulator" if limit else "delta"
        delta = p.op("sub", raw, "sub", outputs, target)
        if claim.flag("one_sided"):
            signs = p.constants("signs", 1, -1)
            sign = p.op("select_sign", "constant", "select", target, p.constants("on", on), signs)
            wrong = p.op("one_sided", raw, "max", p.op("sign", raw, "mul", sign, delta), p.constant("zero_error", 0))
            delta = p.op("unsign", raw, "mul", sign, wrong)
        if limit:
            lo, hi = p.constant("error_lo", -limit), p.constant("error_hi", limit)
            delta = p.op("clamp_error", "delta", "clamp", delta, lo, hi)
        error, divisor = delta, claim.number("loss_div")
        if divisor > 1:
            error = p.op("divide", "delta", "div", delta, p.constant("divide_by", divisor))
        halves = p.op("div", "loss", "div", p.op("mul", "loss", "mul", error, error), p.constant("two", 2))
        rows = p.op("row_sum", "loss", "sum", halves, params=(1,))
        return p.op("batch_sum", "loss", "sum", rows, params=(0,)), delta

    def epoch(self, loss: int, most: int) -> None:
        """The sum of an epoch's losses after one more step, from whatever it can be before it."""
        p, limit = self.program.under("loss"), self.claim.number("loss_limit")
        earlier = within(0, self.claim.earlier_losses(most))
        start = self.program.load("epoch_loss", "loss", (1, 1), earlier, "an epoch's losses before any of its steps")
        total = p.op("epoch_add", "loss", "add", start, loss)
        zero = p.load("zero", "loss", (1, 1), Numbers((0,)))
        if limit:
            p.op("epoch_clamp", "loss", "clamp", total, zero, p.constant("limit", limit))

    def backward(self, delta: int) -> None:
        """Errors and updates, from the last layer to the first; back-propagation goes through weights as updated."""
        gain = self.claim.number("gain")
        back = (
            self.program.op("gain_mul", "delta", "mul", delta, self.program.constant("gain", gain))
            if gain > 1
            else delta
        )
        following: Layer | None = None
        for layer in reversed(self.layers):
            p = self.program.under(layer.name)
            error = back if following is None else self._error(p.under("backward"), layer, back, following, delta)
            delta = p.op("backward.div", "delta", "div", error, layer.slope)
            if self.claim.flag("batch_norm"):
                delta = self._through_norm(p.under("norm"), layer, delta)
            self._update(p, layer, delta)
            following = layer

    def _error(self, p: Program, layer: Layer, back: int, following: Layer, delta: int) -> int:
        """The error that reaches a hidden layer."""
        claim, i = self.claim, layer.index
        dfa = claim.text("algorithm") == "dfa"
        if dfa:
            limit, shape = claim.feedback(i), (claim.classes, claim.dims[i + 1])
            feedback = p.load("load_feedback", "feedback", shape, within(-limit, limit), "feedback matrix as drawn")
        if dfa and not claim.flag("batch_norm"):
            error = p.acc("mac", "mac", back, feedback)
        else:
            columns = p.op("transpose_delta", "delta", "transpose", delta, params=((1, 0),))
            error = p.acc(
                "transpose_error", "transpose", p.acc("mac", "mac", following.weight, columns), params=((1, 0),)
            )
        divisors = claim.hidden("error_div")
        if divisors and divisors[i] > 1:
            error = p.acc("error_div", "div", error, p.constant("error_div_by", divisors[i]))
        return p.op("clamp_error", "delta", "clamp", error, *self.error_limits) if self.error_limits else error

    def _through_norm(self, p: Program, layer: Layer, g: int) -> int:
        """The error before normalisation; gamma and beta are updated."""
        b, last = p.under("backward"), self.last[layer.index]
        dgamma = b.acc("dgamma_sum", "sum", b.acc("dgamma_mul", "mul", g, layer.standardised), params=(0,))
        dbeta = b.acc("dbeta_sum", "sum", g, params=(0,))
        slanted = b.acc("dgamma_neg", "neg", b.acc("dgamma_term", "mul", dgamma, layer.standardised))
        inner = b.acc("inner_add", "add", slanted, b.acc("n_term", "mul", layer.rows, g))
        inner = b.acc("inner_sub", "add", inner, b.acc("dbeta_neg", "neg", dbeta))
        outer = b.acc("outer", "mul", b.acc("slope", "div", layer.gamma, layer.stdev), inner)
        for kind, role, change in (("gamma", "weight", dgamma), ("beta", "bias", dbeta)):
            step = b.op(f"{kind}_step", "update", "div", change, last)
            self.now[f"{layer.name}_{kind}"] = b.op(f"{kind}_add", role, "add", getattr(layer, kind), step)
        return b.op("delta", "delta", "div", outer, layer.rows)

    def _update(self, p: Program, layer: Layer, delta: int) -> None:
        """Weights and bias less their gradients over the inverse rate, within their limit; gamma replaces the bias."""
        limit = self.claim.layers("weight_limit")[layer.index]
        limits = p.constant("clamp_lo", -limit), p.constant("clamp_hi", limit)
        u = p.under("update")
        inputs = u.op("transpose", "activation" if layer.index else "input", "transpose", layer.x, params=((1, 0),))
        layer.weight = self._updated(u, layer, "weight", "", u.acc("mac", "mac", inputs, delta), limits)
        if not self.claim.flag("batch_norm"):
            total = u.acc("bias_sum", "sum", delta, params=(0,))
            layer.bias = self._updated(u, layer, "bias", "bias_", total, limits)

    def _updated(self, u: Program, layer: Layer, kind: str, prefix: str, gradient: int, limits: tuple[int, int]) -> int:
        first, last, name = self.first[layer.index], self.last[layer.index], f"{layer.name}_{kind}"
        if first is not None:
            gradient = u.acc(f"{prefix}first_div", "div", gradient, first)
        if self.claim.flag("carry"):
            whole = u.acc(f"{prefix}carry_add", "add", gradient, self.start[f"{name}_remainder"])
            step = u.acc(f"{prefix}div", "div", whole, last)
            spent = u.acc(f"{prefix}carry_mul", "mul", step, last)
            self.now[f"{name}_remainder"] = u.op(f"{prefix}carry_sub", "update", "sub", whole, spent)
        else:
            step = u.op(f"{prefix}div", "update", "div", gradient, last)
        moved = u.acc(f"{prefix}add", "add", self.start[name], step)
        self.now[name] = u.op(f"{prefix}clamp", kind, "clamp", moved, *limits)
        return self.now[name]

    def carried(self) -> Carried:
        """What is kept from step to step, before and after it; what no step replaces stays as it is."""
        return {name: (before, self.now.get(name, before)) for name, before in self.start.items()}
