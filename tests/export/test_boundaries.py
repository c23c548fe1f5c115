"""Golden images that lead a network to its boundaries."""

from dataclasses import replace

import numpy as np
import pytest
from exporting import digits

from pocketnn.arith import Word
from pocketnn.export.boundaries import boundary_images

BOUNDS = {  # of the ladder on sum / unit, and the unit
    "pocket_tanh": ([-127, -74, -31, 32, 75, 128], 64 << 8),
    "pocket_sigmoid": ([-127, -74, -31, 32, 75, 128], 1 << 8),
    "pocket_leakyrelu": ([-32767, 0, 32767], 1),
    "pocket_relu8bit": ([0, 128], 1),
}


def sums(saved, images):
    weights, bias = np.array(saved.parameters["fc1_weight"]), np.array(saved.parameters["fc1_bias"])
    return (
        (images.astype(int) >> saved.recipe.input_shift) @ weights
        - saved.recipe.input_centre * weights.sum(axis=0)
        + bias
    )


def trained(name):
    """Weights as a training leaves them: many small, and some large."""
    rng = np.random.default_rng(1)
    saved = digits("bp", activation=name)
    weights = (rng.choice([-1, 1], (64, 16)) * 2.0 ** rng.uniform(0, 12, (64, 16))).astype(int)
    return replace(saved, parameters={**saved.parameters, "fc1_weight": weights})


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize(("shift", "centre"), [(0, 0), (1, 0), (0, 128)])
def test_the_first_sums_lie_on_breakpoints_and_bounds(name, shift, centre):
    """On both sides of each breakpoint, as the truncating division sees it, and of each bound of the register."""
    saved = trained(name).changed(input_shift=shift, input_centre=centre)
    reached = sums(saved, boundary_images(saved, Word(16), 100))
    bounds, unit = BOUNDS[name]
    scaled = np.trunc(reached / unit).astype(int)
    within = [b for b in bounds if abs(b) * unit < abs(reached).max()]
    assert within
    for bound in within:
        edge = (bound if bound > 0 else bound - 1) * unit
        near = scaled[np.abs(reached - edge) <= 1]
        assert {bool(x < bound) for x in near} == {True, False}
    for bound in (32767, 32768, -32768, -32769):
        assert (reached == bound).any()


def test_what_no_pixels_reach_is_left_out():
    assert boundary_images(digits("dfa"), Word(8), 100).shape[1:] == (64,)
    assert not sums(digits("dfa"), boundary_images(digits("dfa"), Word(8), 100)).any()
    assert len(boundary_images(digits("bp", batch_norm=True), Word(8), 100)) == 0


def test_no_more_than_asked_for():
    assert len(boundary_images(trained("pocket_tanh"), Word(16), 3)) == 3
    assert len(boundary_images(trained("as_is"), Word(16), 100)) == 4  # the bounds of the register
