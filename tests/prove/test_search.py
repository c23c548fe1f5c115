"""Trainings that are provable by construction: what is chosen, and that it is as large as it can be."""

from dataclasses import replace

import pytest

from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.errors import UsageError
from pocketnn.machine import Widths
from pocketnn.prove import Training, is_provable
from pocketnn.prove.search import FREE, choose
from pocketnn.recipe import Recipe
from pocketnn.recipes import RECIPES


def on(bits, overflow=Overflow.WRAP):
    return Target(Widths.of(bits), overflow)


@pytest.mark.parametrize("overflow", Overflow)
def test_the_reference_on_mnist_at_32_bits(overflow):
    """784 * 255 * 10741 and a bias of as much is the last that fits 31 bits; all other layers keep their limits."""
    choice = choose(Training(Recipe(), 784, 10, 60000), on(32, overflow), FREE)
    assert choice.certificate.proved
    assert choice.changed["weight_limit"] == (10741, 32767, 32767)
    assert 784 * 255 * 10741 + 10741 <= 2**31 - 1 < 784 * 255 * 10742 + 10742
    assert set(choice.changed) == {"weight_limit", "loss_limit"}
    assert is_provable(choice.training, on(32, overflow))


def test_every_limit_is_the_largest():
    choice = choose(Training(Recipe(), 64, 10, 1437, (0, 16)), on(24), FREE)
    training = choice.training
    assert choice.certificate.proved
    for i, limit in enumerate(training.recipe.weight_limit):
        assert not is_provable(training.with_weight_limit(range(i, i + 1), limit + 1), on(24))
    higher = replace(training, recipe=replace(training.recipe, loss_limit=training.recipe.loss_limit + 1))
    assert not is_provable(higher, on(24))


@pytest.mark.slow
def test_smaller_batches_and_pixels_come_with_learning_rates_that_make_up_for_them():
    choice = choose(Training(Recipe((5,)), 144, 10, 60000), on(24), FREE)
    recipe = choice.training.recipe
    assert recipe.input_shift > 0 or recipe.batch < 20
    assert recipe.per_layer("lr_inv")[1] == 1000 * recipe.batch // 20
    assert recipe.per_layer("lr_inv")[0] == 1000 * recipe.batch // 20 >> recipe.input_shift
    if recipe.input_shift:  # the first layer alone sees the pixels
        assert recipe.scale == (256 * 144 >> recipe.input_shift, 256 * 5)


def test_what_is_given_stays():
    given = Recipe(weight_limit=(9000, 8000, 7000), batch=10, lr_inv=500)
    choice = choose(Training(given, 784, 10, 60000), on(32), ["loss_limit"])
    assert choice.training.recipe == replace(given, loss_limit=choice.training.recipe.loss_limit)
    assert list(choice.changed) == ["loss_limit"]
    with pytest.raises(UsageError, match="nothing makes this training provable on 32 wrap"):
        choose(Training(Recipe(), 784, 10, 60000), on(32), ["batch"])


def test_a_recipe_that_is_provable_is_left_alone():
    recipe = RECIPES["word16-digits"].recipe
    choice = choose(Training(recipe, 64, 10, 1437, (0, 16)), on(16), FREE)
    assert choice.changed == {}
    assert choice.training.recipe == recipe


def test_what_would_not_learn_is_refused():
    with pytest.raises(UsageError, match=r"only with weights within \+-[0-9]+, which do not learn"):
        choose(Training(Recipe(), 64, 10, 1437, (0, 16)), on(20), FREE)
    with pytest.raises(UsageError, match=r"nothing makes this training provable on 8 wrap: .* needs [0-9]+ bits"):
        choose(Training(Recipe(), 64, 10, 1437, (0, 16)), on(8), FREE)


def test_progress_is_told_to_its_end():
    told = []
    choose(Training(Recipe(), 64, 10, 1437, (0, 16)), on(32), FREE, lambda *what: told.append(what))
    assert told[0][1] == 0
    assert told[-1][1] == told[-1][2]
