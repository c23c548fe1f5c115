"""Inference certificates: the golden MNIST weights, exactness on networks small enough for every input, soundness."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.activations import ACTIVATIONS
from pocketnn.arith import MAX_BITS, Overflow, Role, Vector, Word
from pocketnn.audit import Target
from pocketnn.check import check
from pocketnn.machine import Machine, Widths
from pocketnn.nn import Architecture
from pocketnn.prove import as_data, as_text, prove_inference
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved, read_saved


def target(word=32, accumulator=None, overflow=Overflow.WRAP):
    return Target(Widths.of(word, accumulator), overflow)


def emulate(saved, images, widths=None, overflow=Overflow.WRAP):
    m = Machine(Vector(measure=True), widths or Widths(Word(MAX_BITS)), overflow)
    network = saved.network(m)
    network.predict(network.forward(saved.feed(m)(np.asarray(images))))
    return m.ledger


def bits(certificate):
    return {site.site: site.bits for site in certificate.sites}


@pytest.fixture
def mnist(golden):
    return read_saved(golden / "mnist-3-epochs")


def test_widths_of_the_golden_weights(mnist):
    certificate = prove_inference(mnist, (0, 255), target())
    assert certificate.proved
    needed = bits(certificate)
    assert [needed[f"{layer}.forward.mac"] for layer in ("fc1", "fc2", "fcLast")] == [29, 27, 19]
    assert "200 of the 200 bounds" in certificate.notes[0]


def test_the_attaining_image_overflows_28_bits(mnist):
    certificate = prove_inference(mnist, (0, 255), target(32, 28))
    assert not certificate.proved
    assert certificate.failing[0].site == "fc1.forward.mac"
    for attaining in certificate.attaining:
        assert set(attaining.inputs) == {0, 255}
        assert emulate(mnist, [attaining.inputs], Widths.of(32, 28))["fc1.forward.mac"].overflowed
        weight = np.asarray(mnist.parameters["fc1_weight"])[:, attaining.element[1]]
        assert int(np.dot(attaining.inputs, weight)) == attaining.bound
    assert "28-bit accumulator" in certificate.counterexample.witness
    assert prove_inference(mnist, (0, 255), target(32, 29)).proved


def test_no_input_image_is_known_to_leave_the_bounds(mnist):
    certificate = prove_inference(mnist, (0, 255), target())
    ledger = emulate(mnist, np.random.default_rng(0).integers(0, 256, (300, 784)))
    for site in certificate.sites:
        seen = ledger[site.site].span
        assert site.span.least <= seen.least, site
        assert seen.most <= site.span.most, site


def test_a_short_last_batch_is_part_of_the_claim():
    """Sums of 1 to 7 rows, each in 120..360: at least 120, at most 2520."""
    parameters = {
        "fcLast_weight": [[1], [2], [1]], "fcLast_bias": [[0]], "fcLast_gamma": [[1]], "fcLast_beta": [[0]]
    }  # fmt: skip
    certificate = prove_inference(Saved(parameters, Recipe((), batch_norm=True, batch=7)), (30, 90), target(48))
    spans = {site.site: site.span for site in certificate.sites}
    assert (spans["fcLast.norm.forward.mean_sum"].lo, spans["fcLast.norm.forward.mean_sum"].hi) == (120, 7 * 360)
    assert (spans["fcLast.norm.rows"].lo, spans["fcLast.norm.rows"].hi) == (1, 7)
    assert (spans["fcLast.norm.forward.mean_div"].lo, spans["fcLast.norm.forward.mean_div"].hi) == (120, 360)
    assert "in batches of 1 to 7" in " ".join(" ".join(as_text(certificate)).split())


@st.composite
def networks(draw, most=5):
    dims = tuple(draw(st.lists(st.integers(1, most), min_size=2, max_size=4)))
    architecture = Architecture(dims, draw(st.sampled_from(list(ACTIVATIONS))), draw(st.booleans()))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    reach = draw(st.sampled_from([1, 10, 1000, 32767]))
    shapes = {name: np.shape(value) for name, value in architecture.zeros().items()}
    parameters = {name: rng.integers(-reach, reach + 1, shape) for name, shape in shapes.items()}
    recipe = Recipe(
        dims[1:-1], architecture.activation, batch_norm=architecture.batch_norm, batch=draw(st.integers(1, 4)),
        input_shift=draw(st.integers(0, 4)), input_centre=draw(st.integers(0, 3)),
    )  # fmt: skip
    return Saved(parameters, recipe)


def check_inference(draw, saved):
    lo = draw(st.integers(-9, 9))
    inputs = lo, lo + draw(st.sampled_from([0, 1, 9, 255]))
    machine = target(draw(st.integers(2, MAX_BITS)), draw(st.integers(2, MAX_BITS)), draw(st.sampled_from(Overflow)))
    certificate = prove_inference(saved, inputs, machine)
    rng = np.random.default_rng(0)
    rows = draw(st.integers(1, saved.recipe.batch))  # also fewer than a batch: the last one may be short
    images = rng.integers(inputs[0], inputs[1] + 1, (rows, saved.dims[0]))
    if certificate.proved:
        ledger = emulate(saved, images, machine.widths, machine.overflow)
        assert not ledger.overflowed
    else:
        ledger = emulate(saved, images)
        if ledger.overflowed:  # not even 48 bits are exact
            return
    for site in certificate.sites:
        seen = ledger[site.site].span
        assert site.span.lo <= seen.lo, site
        assert seen.hi <= site.span.hi, site
        assert site.span.least <= seen.least, site
        assert seen.most <= site.span.most, site


@given(saved=networks(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_emulated_leaves_its_certified_range(saved, data):
    check_inference(data.draw, saved)


@pytest.mark.slow
@given(saved=networks(), data=st.data())
@settings(max_examples=3000, deadline=None)
def test_nothing_emulated_leaves_its_certified_range_in_many_networks(saved, data):
    check_inference(data.draw, saved)


@pytest.mark.parametrize("name", ["pocket_tanh", "pocket_sigmoid", "pocket_relu8bit", "rescale", "as_is"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_attained_is_the_exhaustive_range(name, seed):
    """Every input of a tiny network: nothing outside the bounds, and the whole of the first layer's sums attained."""
    rng = np.random.default_rng(seed)
    reach = 3000 if name != "as_is" else 9
    parameters = {
        "fc1_weight": rng.integers(-reach, reach + 1, (3, 2)),
        "fc1_bias": rng.integers(-9, 10, (1, 2)),
        "fcLast_weight": rng.integers(-reach, reach + 1, (2, 2)),
        "fcLast_bias": rng.integers(-9, 10, (1, 2)),
    }
    saved = Saved(parameters, Recipe((2,), name))
    certificate = prove_inference(saved, (-2, 4), target())
    ledger = emulate(saved, list(itertools.product(range(-2, 5), repeat=3)))
    for site in certificate.sites:
        seen = ledger[site.site].span
        assert site.span.lo <= seen.lo, site
        assert seen.hi <= site.span.hi, site
        if site.attained:
            assert seen == site.span
    exact = {site.site for site in certificate.sites if ledger[site.site].span == site.span}
    assert {"fc1.forward.mac", "fc1.forward.add"} <= exact
    assert {site.site for site in certificate.sites if site.attained} >= {"fc1.forward.mac"}


def test_a_sum_can_fit_in_its_order_alone():
    """+24000 and -24000 in turn never leave 16 bits; all the positive ones first would."""
    parameters = {"fcLast_weight": [[6000], [-6000]] * 4, "fcLast_bias": [[0]]}
    certificate = prove_inference(Saved(parameters, Recipe((), "as_is")), (4, 4), target(16))
    assert certificate.proved
    site = next(site for site in certificate.sites if site.site == "fcLast.forward.mac")
    assert (site.span.least, site.span.most, site.bits, site.fits) == (-96000, 96000, 18, True)
    assert check(as_data(certificate)) == []
    assert any("fits *" in line for line in as_text(certificate))
    assert not prove_inference(Saved(parameters, Recipe((), "as_is")), (4, 8), target(16)).proved


def test_saturation_and_roles(mnist):
    assert prove_inference(mnist, (0, 255), target(16, 32, Overflow.SATURATE)).failing[0].role is Role.CONSTANT
    assert not prove_inference(mnist, (0, 255), target(8)).proved
