"""Training and evaluation: against the reference's run, the yardstick, a second opinion, and across backends."""

from dataclasses import replace

import numpy as np
import pytest
from plain import Plain
from tiny import blobs

from pocketnn.arith import INT16, INT32, Lockstep, Overflow, Reference, Role, Vector, Word
from pocketnn.data import load_dataset
from pocketnn.errors import OverflowTrap, UsageError
from pocketnn.init import Rand
from pocketnn.machine import Machine, Widths
from pocketnn.nn import Architecture, Network
from pocketnn.recipe import Recipe
from pocketnn.recipes import RECIPES
from pocketnn.train import evaluate, train
from pocketnn.weights import load_weights
from pocketnn.yardstick import train_int64


def rows(run):
    return [(e.loss_sum, e.train_correct, e.test_correct) for e in run.epochs] + [(0, run.final_train_correct, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [None, False])
def test_mnist_equals_the_reference_number_by_number(datasets, golden, compiled):
    machine = Machine(Vector(compiled=compiled))
    run = train(machine, load_dataset("mnist"), Recipe((100, 50), epochs=3, seed=1))
    assert rows(run) == [
        (1070190, 54667, 9484),
        (597476, 57266, 9584),
        (489390, 57843, 9643),
        (0, 58249, 0),
    ]
    assert not machine.ledger.overflowed
    expected, _ = load_weights(golden / "mnist-3-epochs")
    actual = run.network.parameters()
    assert set(actual) == set(expected)
    for name in expected:
        assert np.array_equal(actual[name], expected[name]), name


@pytest.mark.slow
def test_golden_weights_get_9643_right(datasets, golden):
    parameters, _ = load_weights(golden / "mnist-3-epochs")
    machine = Machine()
    network = Network(machine, Architecture((784, 100, 50, 10)), parameters)
    assert evaluate(machine, network, load_dataset("mnist").test) == 9643
    assert not machine.ledger.overflowed


@pytest.mark.slow
def test_untrained_network_predicts_class_0(datasets):
    run = train(Machine(), load_dataset("mnist"), Recipe((100, 50), epochs=0))
    assert (run.final_train_correct, run.test_correct) == (5923, 980)


@pytest.mark.slow
def test_fashion_mnist_by_the_papers_network(datasets):
    dataset = load_dataset("fashion-mnist")
    machine = Machine()
    run = train(machine, dataset, Recipe((200, 100, 50), epochs=1))
    assert rows(run) == train_int64(dataset, (200, 100, 50), 1)
    assert run.test_correct > 7000
    assert not machine.ledger.overflowed


def test_equals_the_yardstick():
    dataset = blobs(200)
    assert rows(train(Machine(), dataset, Recipe((9, 7), epochs=3))) == train_int64(dataset, (9, 7), 3)


@pytest.mark.parametrize("recipe", [
    Recipe((9, 7), epochs=3),
    Recipe((9, 7), epochs=3, carry=True, target_on=32),
    Recipe((9, 7), epochs=3, lr_inv=700, one_sided=True, target_on=20, target_off=-9, lr_doubling=2),
    Recipe((9, 7), algorithm="bp", epochs=4, lr_inv=(900, 500, 70), schedule="linear", init=(300, 200, 100), seed=3,
           error_div=90),
    Recipe((9, 7), algorithm="bp", epochs=4, lr_inv=(900, 500, 70), init=(300, 200, 100), carry=True, target_on=64,
           target_off=-64, one_sided=True, gain=16, error_div=(90, 80), weight_limit=(900, 800, 700),
           schedule="linear", input_centre=30, input_shift=1),
    Recipe((9,), epochs=3, batch=7, gain=3, error_div=2, weight_limit=50, init=9, lr_inv=200),
    Recipe((9, 7), epochs=3, jitter=1, input_centre=9),
    Recipe((9, 7), algorithm="bp", epochs=2, jitter=3, init=900, error_div=90),
    Recipe((9, 7), epochs=4, lr_inv=(300, 400, 900), carry=True, carry_div=90, schedule="linear", scale=(700, 60, 50),
           activation_div=(5, 3), feedback_limit=(7, 70), error_div=3, error_limit=60, loss_div=3, loss_limit=20000),
    Recipe((9,), algorithm="bp", epochs=2, init=900, scale=9, activation_div=4, error_limit=9, input_shift=4),
])  # fmt: skip
def test_options_mean_what_the_second_opinion_thinks(recipe):
    dataset, machine = blobs(200, pixels=16), Machine()
    assert rows(train(machine, dataset, recipe))[:-1] == Plain(dataset, recipe).run()
    assert not machine.ledger.overflowed


@pytest.mark.parametrize(("side", "recipe"), [
    (8, Recipe((9,), conv=(3,), epochs=2, lr_inv=300)),
    (9, Recipe((), conv=(2,), epochs=2, init=(900, 30), lr_inv=(50, 400), carry=True, one_sided=True, gain=4)),
    (17, Recipe((5,), conv=(3, 2), epochs=2, init=(900, 500, 99, 30), lr_inv=(90, 80, 300, 400), error_div=(3, 2, 1),
                scale=(6000, 4000, 500, 900), feedback_limit=(9, 20, 30), input_centre=60, weight_limit=2000)),
])  # fmt: skip
def test_convolution_layers_mean_what_the_second_opinion_thinks(side, recipe):
    dataset, machine = blobs(60, pixels=side * side), Machine()
    run = train(machine, dataset, recipe)
    plain = Plain(dataset, recipe)
    assert rows(run)[:-1] == plain.run()
    for layer, weight, bias in zip(run.network.layers, plain.weights, plain.biases, strict=True):
        assert np.array_equal(layer.weight.ints(), weight)
        assert np.array_equal(layer.bias.ints(), bias)
    untrained = train(Machine(), dataset, replace(recipe, epochs=0)).network.parameters()
    for name in (f"conv{i + 1}_weight" for i in range(len(recipe.conv))):
        assert np.any(run.network.parameters()[name] != untrained[name])
    assert not machine.ledger.overflowed


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("best")])
def test_named_recipes_equal_the_second_opinion(datasets, name):
    named, machine = RECIPES[name], Machine()
    whole = load_dataset(named.data)
    dataset = replace(whole, train=whole.train.first(10000), test=whole.test.first(2000))
    recipe = replace(named.recipe, epochs=2)
    assert rows(train(machine, dataset, recipe))[:-1] == Plain(dataset, recipe).run()
    assert not machine.ledger.overflowed


def test_learns():
    dataset = blobs(800)
    run = train(Machine(), dataset, Recipe((16,), epochs=5))
    assert run.test_correct > 0.9 * run.test_total


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("recipe", [
    Recipe((5,), epochs=2, batch=4, lr_inv=10),
    Recipe((5, 4), algorithm="bp", epochs=1, batch=7, lr_inv=10),
    Recipe((5, 4), batch_norm=True, epochs=1, batch=5, lr_inv=10),
    Recipe((), activation="pocket_softmax", epochs=1, batch=3, input_shift=3),
    Recipe((4,), activation="plu", algorithm="bp", epochs=1, batch=1, lr_inv=1),
    Recipe((5, 4), algorithm="bp", epochs=3, batch=4, lr_inv=(900, 500, 70), init=(300, 200, 100), carry=True,
           target_on=64, target_off=-64, one_sided=True, gain=16, error_div=(90, 80), weight_limit=(900, 800, 700),
           lr_doubling=2, input_centre=3),
    Recipe((5, 4), epochs=2, batch=4, carry=True, one_sided=True, error_div=7, init=9),
    Recipe((4,), conv=(2,), epochs=1, batch=4, carry=True, init=(90, 9, 9), lr_inv=20),
])  # fmt: skip
def test_reference_and_vector_agree_on_every_op_of_a_training(recipe, bits, overflow):
    machine = Machine(Lockstep(Reference(), Vector(measure=True)), Widths(Word(bits)), overflow)
    run = train(machine, blobs(24, pixels=36 if recipe.conv else 6), recipe)
    assert len(run.epochs) == recipe.epochs
    assert all(site.span is not None for site in machine.ledger if site.elements)


def test_results_do_not_depend_on_the_evaluation_batch():
    dataset = blobs(100)
    machine = Machine()
    network = train(machine, dataset, Recipe((9,), epochs=2)).network
    assert len({evaluate(machine, network, dataset.test, rows) for rows in (1, 7, 50, 1000)}) == 1


def test_widening_changes_nothing_once_nothing_overflows():
    results = []
    for bits in (32, 40, 48):
        machine = Machine(None, Widths(Word(bits)))
        results.append(rows(train(machine, blobs(100), Recipe((9,), epochs=2))))
        assert not machine.ledger.overflowed
    assert results[0] == results[1] == results[2]


def test_a_narrow_machine_runs_to_the_end_and_says_so():
    machine = Machine(None, Widths(INT16))
    run = train(machine, blobs(200, pixels=300), Recipe((9,), epochs=1))
    assert len(run.epochs) == 1
    assert machine.ledger.overflowed
    assert machine.ledger.first is not None
    assert machine.ledger.first.site == "fc1.activation.scale_by"  # 256 * 300


def test_roles_may_have_words_of_their_own():
    wide = Widths(INT16, {Role.ACCUMULATOR: INT32})
    machine = Machine(None, wide)
    train(machine, blobs(60), Recipe((9,), epochs=1))
    words = {site.register.role: site.register.word for site in machine.ledger}
    assert words[Role.ACCUMULATOR] == INT32
    assert {word for role, word in words.items() if role is not Role.ACCUMULATOR} == {INT16}


def test_trap_stops_training():
    with pytest.raises(OverflowTrap, match="scale_by"):
        train(Machine(None, Widths(Word(8)), trap=True), blobs(), Recipe((9,)))


def test_learning_rate_halves_at_epoch_10():
    machine = Machine()
    train(machine, blobs(8), Recipe((2,), epochs=20, batch=4))
    assert machine.ledger["neg_lr_inv"].calls == 3


def test_short_last_batch_is_dropped():
    run = train(Machine(), blobs(90), Recipe((3,), epochs=1, batch=20))
    assert run.epochs[0].train_total == 40
    assert run.train_total == 45


def test_feedback_is_drawn_after_the_first_shuffle_last_layer_first():
    dataset = blobs(40)
    machine = Machine()
    seen = {}
    original = machine.backend.apply

    def spy(op, args, to, site):
        outcome = original(op, args, to, site)
        if site.endswith("load_feedback"):
            seen[site] = outcome.value.ints().tolist()
        return outcome

    machine.backend.apply = spy
    train(machine, dataset, Recipe((5, 4), epochs=1, seed=9))
    rand = Rand(9)
    rand.shuffle(list(range(20)))
    # floor(sqrt(393204 / 9)) = 209 for fc2 (5 to 4), floor(sqrt(393204 / 17)) = 152 for fc1 (12 to 5)
    assert seen["fc2.backward.load_feedback"] == rand.nonzero(209, 3, 4)
    assert seen["fc1.backward.load_feedback"] == rand.nonzero(152, 3, 5)


def test_batch_larger_than_the_data():
    with pytest.raises(UsageError, match="batch is 31 but there are only 30"):
        train(Machine(), blobs(60), Recipe(batch=31))


@pytest.mark.parametrize("dims", [(), (3,), (3, 0), (-1, 2)])
def test_architectures_that_make_no_sense(dims):
    with pytest.raises(UsageError, match="layer sizes"):
        Architecture(dims)


def test_input_shift_is_an_op_of_the_program():
    machine = Machine()
    train(machine, blobs(60), Recipe((3,), epochs=1, input_shift=4))
    assert machine.ledger["input.shift"].op == "div"


def test_progress_is_told():
    told = []
    train(Machine(), blobs(60), Recipe((3,), epochs=1, batch=10), lambda *what: told.append(what))
    assert told[:3] == [("epoch 1/1", 1, 3), ("epoch 1/1", 2, 3), ("epoch 1/1", 3, 3)]
    assert told[-1] == ("final", 30, 30)
