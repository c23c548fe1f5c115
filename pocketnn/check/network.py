"""What the forward pass of a PocketNN network consists of, written down a second time from the paper and the claim.

The network's own code is not asked. `wiring` holds the steps of a certificate against this description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pocketnn.check.activations import ACTIVATIONS
from pocketnn.check.claim import Claim
from pocketnn.check.program import Content, Known, Program, within

__all__ = ["Forward", "Layer", "inference"]


@dataclass(slots=True)
class Layer:
    """The steps that hold what a layer has: parameters as they are now, and what its last forward pass left."""

    name: str
    index: int
    weight: int = 0
    bias: int = 0
    gamma: int = 0
    beta: int = 0
    x: int = 0
    slope: int = 0
    rows: int = 0
    stdev: int = 0
    standardised: int = 0


class Forward:
    """The layers of a claim's network, added to a program; a call adds a forward pass."""

    def __init__(self, program: Program, claim: Claim) -> None:
        self.program, self.claim = program, claim
        if claim.text("activation") not in ACTIVATIONS:
            raise ValueError(f"the claim has activation {claim.text('activation')}, which the checker does not know")
        self.layers = [Layer(name, index) for index, name in enumerate(claim.names)]
        for layer in self.layers:
            self._load(layer)

    def _load(self, layer: Layer) -> None:
        p, claim = self.program.under(layer.name), self.claim
        n, m = claim.dims[layer.index : layer.index + 2]
        training, limit = claim.training, claim.before(layer.index) if claim.training else 0
        any_weight: Content = within(-limit, limit) if training else Known()
        when = "before any step" if training else "as trained"
        layer.weight = p.load("load_weight", "weight", (n, m), any_weight, f"weights {when}")
        layer.bias = p.load("load_bias", "bias", (1, m), any_weight, f"biases {when}")
        if claim.flag("batch_norm"):
            one, zero = (within(1, 1), within(0, 0)) if training else (Known(), Known())
            layer.gamma = p.load("norm.load_gamma", "weight", (1, m), one, f"gamma {when}")
            layer.beta = p.load("norm.load_beta", "bias", (1, m), zero, f"beta {when}")

    def __call__(self, rows: int) -> int:
        """The outputs for a batch of `rows` images."""
        return self._outputs(rows, jitter=False, learning=False)

    def learning(self) -> int:
        """The outputs for a batch of training, with the slopes that its backward pass needs."""
        return self._outputs(self.claim.rows, self.claim.number("jitter") > 0, learning=True)

    def _outputs(self, rows: int, jitter: bool, learning: bool) -> int:
        x = self._images(self.program.under("input"), rows, jitter)
        for layer in self.layers:
            x, slope = self._layer(self.program.under(layer.name), layer, x, rows)
            if learning:
                layer.slope = slope()
        return x

    def _images(self, p: Program, rows: int, jitter: bool) -> int:
        """Pixels as they enter: moved by jitter, when each is another one or 0; then divided; then less the centre."""
        claim, shift, centre = self.claim, self.claim.number("input_shift"), self.claim.number("input_centre")
        raw = "accumulator" if shift else "input"
        lo, hi = (min(claim.lo, 0), max(claim.hi, 0)) if jitter else (claim.lo, claim.hi)
        x = p.load("load", raw, (rows, claim.pixels), within(lo, hi), "pixels")
        if jitter:
            x = p.op("gather", raw, "gather", x, params=(((claim.pixels,), tuple(range(claim.pixels))),))
        if shift:
            x = p.op("shift", "input", "div", x, p.constant("shift_by", 1 << shift))
        return p.op("centre", "input", "sub", x, p.constant("centre_by", centre)) if centre else x

    def _layer(self, p: Program, layer: Layer, x: int, rows: int) -> tuple[int, Callable[[], int]]:
        """The layer's activations, and what adds their inverse slopes."""
        claim, divisors, scales = self.claim, self.claim.hidden("activation_div"), self.claim.layers("scale")
        n, m = claim.dims[layer.index : layer.index + 2]
        if layer.index and divisors and divisors[layer.index - 1] > 1:
            divisor = p.constant("input_div_by", divisors[layer.index - 1])
            x = p.op("forward.input_div", "activation", "div", x, divisor)
        layer.x = x
        sums = p.acc("forward.mac", "mac", x, layer.weight)
        if claim.flag("batch_norm"):
            sums = self._normalised(p.under("norm"), layer, sums, rows)
        else:
            sums = p.acc("forward.add", "add", sums, layer.bias)
        kind = claim.text("activation")
        scale = scales[layer.index] if scales else 256 * (n if kind == "pocket_tanh" else 1)
        return ACTIVATIONS[kind](p.under("activation"), sums, (rows, m), scale)

    def _normalised(self, p: Program, layer: Layer, x: int, rows: int) -> int:
        """Less the mean over the rows and over their standard deviation, of which 127 is one."""
        layer.rows, f = p.constant("rows", rows), p.under("forward")
        mean = f.acc("mean_div", "div", f.acc("mean_sum", "sum", x, params=(0,)), layer.rows)
        centred = f.acc("centre", "sub", x, mean)
        squares = f.acc("variance_sum", "sum", f.acc("square", "mul", centred, centred), params=(0,))
        root = f.acc("isqrt", "isqrt", f.acc("variance_div", "div", squares, layer.rows))
        layer.stdev = f.acc("stdev", "max", root, p.constant("one", 1))
        scaled = f.acc("scale", "mul", p.constant("unit", 127), centred)
        layer.standardised = f.acc("standardise", "div", scaled, layer.stdev)
        return f.acc("beta", "add", f.acc("gamma", "mul", layer.gamma, layer.standardised), layer.beta)


def inference(program: Program, claim: Claim) -> None:
    """Add the classification of a batch of images; with batch statistics, also of the shortest last batch."""
    forward = Forward(program, claim)
    for rows in {claim.rows, 1}:
        program.acc("predict", "argmax", forward(rows))
