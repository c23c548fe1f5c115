"""Training certificates: what they say of the MNIST recipe, and that no step on numbers does what they exclude."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import blobs
from within import Within

from pocketnn.activations import ACTIVATIONS
from pocketnn.arith import MAX_BITS, Overflow, Vector, Word
from pocketnn.audit import Target
from pocketnn.data import load_dataset
from pocketnn.errors import OverflowTrap
from pocketnn.machine import Machine, Widths
from pocketnn.prove import Training, as_text, is_provable, prove_training
from pocketnn.prove.training import certify
from pocketnn.recipe import Recipe
from pocketnn.recipes import RECIPES
from pocketnn.train import train


def target(word=32, accumulator=None, overflow=Overflow.WRAP):
    return Target(Widths.of(word, accumulator), overflow)


def limits(certificate):
    return {limit.what: limit.largest for limit in certificate.limits}


def mnist(samples=60000, **options):
    return Training(Recipe(**options), 784, 10, samples)


def bound(certificate, site):
    return next(bound for bound in certificate.sites if bound.site == site)


def test_the_mnist_recipe_at_32_bits():
    """784 * 255 * 32767 needs 34 bits; 784 * 255 * 10741 + 10741 is the last sum below 2^31."""
    certificate = prove_training(mnist(loss_div=2), target())
    assert not certificate.proved
    first = certificate.failing[0]
    assert (first.site, first.bits, first.span.hi) == ("fc1.forward.mac", 34, 784 * 255 * 32767)
    assert 784 * 255 * 10741 + 10741 < 2**31 <= 784 * 255 * 10742 + 10742
    found = limits(certificate)
    assert found["batch"] is None
    assert found["weight limit"] == 10741
    batch = found["batch with weight limit 10741"]
    assert prove_training(mnist(loss_div=2, weight_limit=(10741,), batch=batch), target()).proved
    assert not prove_training(mnist(loss_div=2, weight_limit=(10741,), batch=batch + 1), target()).proved
    assert prove_training(mnist(loss_div=2, weight_limit=(10741, 32767, 32767)), target()).proved


def test_the_losses_of_an_epoch_are_part_of_the_claim():
    """3000 steps of 20 images, each image with a loss of up to 9 * 127^2 / 2 + 142^2 / 2: more than 2^31."""
    image = 9 * (127**2 // 2) + 142**2 // 2
    certificate = prove_training(mnist(weight_limit=10741), target())
    assert not certificate.proved
    assert [site.site for site in certificate.failing] == ["loss.epoch_add"]
    assert (bound(certificate, "loss.epoch_add").span.hi, bound(certificate, "loss.epoch_add").bits) == (
        60000 * image,
        34,
    )
    assert certificate.claim["samples"] == 60000
    room = 2**31 - 1 - 20 * image
    found = limits(certificate)
    assert found["loss limit"] == room
    assert found["batch, with a loss limit"] == 258
    assert is_provable(mnist(weight_limit=10741, loss_limit=room), target())
    assert not is_provable(mnist(weight_limit=10741, loss_limit=room + 1), target())


def test_an_epoch_is_as_long_as_its_sum_allows():
    image = 9 * (127**2 // 2) + 142**2 // 2
    most = (2**31 - 1) // image
    assert is_provable(mnist(most, weight_limit=10741), target())
    assert not is_provable(mnist(most + 1, weight_limit=10741), target())


def test_a_run_overflows_where_the_sum_of_its_losses_is_not_proved():
    """Recipe word16-digits without its loss limit: all but the sum fits 16 bits, and the sum really overflows."""
    changes = {"loss_limit": 0, "loss_div": 7, "target_on": 60, "epochs": 1, "lr_inv": 32000}
    recipe = replace(RECIPES["word16-digits"].recipe, **changes)
    data = load_dataset("digits")
    certificate = certify(Training(recipe, 64, 10, len(data.train.labels), (0, 16)), target(16))
    assert [site.site for site in certificate.failing] == ["loss.epoch_add"]
    with pytest.raises(OverflowTrap, match=r"loss\.epoch_add\[0, 0\].* = 32768, stored -32768"):
        train(Machine(Vector(), Widths(Word(16)), trap=True), data, recipe)
    assert "a --loss-limit or a greater --loss-div keeps the sum" in " ".join(" ".join(as_text(certificate)).split())


def test_one_hot_targets_and_slopes_are_used():
    """Deltas of the last layer: (y - 15) / grad_inv and y / grad_inv piece by piece, not -142..127 over 1..127."""
    certificate = prove_training(Training(Recipe(weight_limit=(10741,)), 784, 10, 60000), target())
    spans = {site.site: site.span for site in certificate.sites}
    assert (spans["loss.sub"].lo, spans["loss.sub"].hi) == (-142, 127)
    assert (spans["fcLast.backward.div"].lo, spans["fcLast.backward.div"].hi) == (-77, 62)
    assert spans["loss.row_sum"].hi == 9 * (127**2 // 2) + 142**2 // 2


def test_limits_are_the_last_that_hold():
    training = Training(Recipe(hidden=(5,), batch=3, weight_limit=(200,)), 12, 3, 90, (0, 16))
    certificate = prove_training(training, target(24))
    assert certificate.proved
    found = limits(certificate)
    for what, changed in (
        ("batch", lambda n: Training(Recipe(hidden=(5,), batch=n, weight_limit=(200,)), 12, 3, 90, (0, 16))),
        ("weight limit", lambda n: Training(Recipe(hidden=(5,), batch=3, weight_limit=(n,)), 12, 3, 90, (0, 16))),
        ("greatest pixel", lambda n: Training(Recipe(hidden=(5,), batch=3, weight_limit=(200,)), 12, 3, 90, (0, n))),
    ):
        assert is_provable(changed(found[what]), target(24)), what
        assert not is_provable(changed(found[what] + 1), target(24)), what


def test_weight_limits_that_differ_are_looked_for_layer_by_layer():
    certificate = prove_training(
        Training(Recipe(hidden=(5,), batch=3, weight_limit=(20, 300)), 12, 3, 90, (0, 16)), target(20)
    )
    assert certificate.proved
    found = limits(certificate)
    for i, what in enumerate(("weight limit of fc1", "weight limit of fcLast")):
        for more in (0, 1):
            limit = tuple(found[what] + more if i == j else given for j, given in enumerate((20, 300)))
            changed = Training(Recipe(hidden=(5,), batch=3, weight_limit=limit), 12, 3, 90, (0, 16))
            assert is_provable(changed, target(20)) == (not more), what


def test_batch_normalisation_has_no_invariant():
    certificate = prove_training(
        Training(Recipe(hidden=(), batch_norm=True, batch=2, lr_inv=1), 2, 2, 2, (0, 3)), target(48)
    )
    assert not certificate.proved
    assert {kept.name for kept in certificate.invariants if not kept.holds} == {"fcLast_gamma", "fcLast_beta"}


def test_learning_rates_of_all_epochs_are_covered():
    certificate = prove_training(Training(Recipe(hidden=(), epochs=25, lr_inv=100), 4, 2, 40), target())
    assert certificate.claim["rates"] == [[100, 400]]
    site = next(site for site in certificate.sites if site.site == "neg_lr_inv")
    assert (site.span.lo, site.span.hi) == (-400, -100)
    assert not prove_training(Training(Recipe(hidden=(), epochs=300, lr_inv=100), 4, 2, 40), target()).proved


def test_initial_weights_are_within_the_invariant():
    """Back-propagation starts from drawn weights, which may lie outside a narrow limit."""
    training = Training(Recipe(hidden=(), algorithm="bp", weight_limit=(5,), batch=2), 4, 2, 40)
    assert training.parameters()["fcLast_weight"].ends() == (-255, 255)  # floor(sqrt(12 * 32767 / 6))
    assert is_provable(training, target())


@pytest.mark.parametrize("algorithm", ["dfa", "bp"])
def test_a_certified_run_does_not_overflow(algorithm):
    """A whole run on the narrowest machine for which there is a certificate."""
    recipe = Recipe(hidden=(6,), algorithm=algorithm, batch=5, epochs=11, lr_inv=20, weight_limit=(300,))
    training = Training(recipe, 12, 3, len(blobs().train.labels))
    word = next(n for n in range(8, MAX_BITS) if is_provable(training, target(n)))
    certificate = prove_training(training, target(word))
    machine = Machine(Vector(measure=True), Widths(Word(word)))
    run = train(machine, blobs(), recipe)
    reached = {name: abs(matrix).max() for name, matrix in run.network.parameters().items()}
    assert reached["fc1_weight"] == 300  # the run goes as far as it may
    for site in machine.ledger:
        bound = next(b for b in certificate.sites if b.site == site.name)
        assert not site.overflowed, site.name
        assert bound.span.least <= site.span.least, site.name
        assert site.span.most <= bound.span.most, site.name


def test_carried_remainders_are_bounded_by_the_divisor():
    training = Training(Recipe(hidden=(4,), batch=3, weight_limit=100, carry=True, lr_inv=50, epochs=11), 6, 3, 40)
    certificate = prove_training(training, target())
    assert certificate.proved
    kept = {invariant.name: invariant for invariant in certificate.invariants}
    assert kept["fc1_weight_remainder"].range_before == (-99, 99)  # lr_inv 100 from epoch 10 on
    assert kept["fc1_weight_remainder"].range_after == (-99, 99)


def test_jitter_brings_zeros_in():
    spans = {}
    for jitter in (0, 1):
        certificate = prove_training(Training(Recipe(hidden=(), batch=2, jitter=jitter), 4, 2, 40, (3, 9)), target(40))
        spans[jitter] = next(site.span for site in certificate.sites if site.site == "fcLast.update.transpose")
    assert (spans[0].lo, spans[1].lo) == (3, 0)


@st.composite
def trainings(draw):
    count = draw(st.integers(0, 2))
    recipe = Recipe(
        hidden=tuple(draw(st.integers(1, 4)) for _ in range(count)),
        activation=draw(st.sampled_from(list(ACTIVATIONS))),
        algorithm=draw(st.sampled_from(["dfa", "bp"])),
        batch_norm=draw(st.booleans()),
        batch=draw(st.integers(1, 4)),
        epochs=draw(st.sampled_from([1, 30])),
        lr_inv=draw(st.sampled_from([1, 7, 1000])),
        input_shift=draw(st.integers(0, 3)),
        input_centre=draw(st.integers(0, 9)),
        carry=draw(st.booleans()),
        one_sided=draw(st.booleans()),
        target_off=draw(st.sampled_from([0, -15])),
        gain=draw(st.sampled_from([1, 64])),
        error_div=draw(st.sampled_from([1, 16])),
        schedule=draw(st.sampled_from(["doubling", "linear"])),
        weight_limit=draw(
            st.lists(st.sampled_from([1, 100, 32767]), min_size=count + 1, max_size=count + 1).map(tuple)
        ),
    )
    lo = draw(st.integers(-5, 5))
    inputs = lo, lo + draw(st.sampled_from([0, 7, 255]))
    return Training(
        recipe, draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.sampled_from([1, 9, 60000])), inputs
    )


def check_step(draw, training):
    """One step with arbitrary weights, images, labels and feedback, ranges and numbers side by side."""
    word, accumulator = draw(st.sampled_from([8, 16, 32, 48])), draw(st.integers(2, MAX_BITS))
    pair = Within(fast=draw(st.booleans()), seed=draw(st.integers(0, 9999)))
    training.run(Machine(pair, Widths.of(word, accumulator), draw(st.sampled_from(Overflow))))


@given(training=trainings(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_step_leaves_its_ranges(training, data):
    check_step(data.draw, training)


@pytest.mark.slow
@given(training=trainings(), data=st.data())
@settings(max_examples=5000, deadline=None)
def test_no_step_leaves_its_ranges_in_many_networks(training, data):
    check_step(data.draw, training)


def test_the_pair_of_ranges_and_numbers_notices_a_wrong_range():
    class Narrow(Training):
        def run(self, m):
            m.backend.interval.apply = _narrowing(m.backend.interval.apply)
            return super().run(m)

    training = Narrow(Recipe(hidden=(3,), batch=2), 4, 2, 40)
    with pytest.raises(AssertionError, match=r"fc1\.forward\.mac"):
        training.run(Machine(Within(fast=True, seed=1)))


def _narrowing(apply):
    def wrong(op, args, to, site):
        outcome = apply(op, args, to, site)
        if site == "fc1.forward.mac":
            value = outcome.value
            half = type(value)(value.shape, value.lo // 1000, value.hi // 1000, value.keys)
            return outcome._replace(value=half)
        return outcome

    return wrong
