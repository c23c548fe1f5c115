"""The step that a recorded program repeats, and what its epochs begin with."""

from dataclasses import replace

import numpy as np
import pytest
from exporting import digits, export_digits, machine, require

from pocketnn.arith import Role
from pocketnn.data import load_dataset
from pocketnn.errors import UsageError
from pocketnn.export import export, run_target, run_training, verify_device
from pocketnn.export.golden import crc_of
from pocketnn.export.graph import Carried, Setting, keyed
from pocketnn.export.repeated import step_program
from pocketnn.recipe import Recipe
from pocketnn.trace import Program, Recorder, Trace
from pocketnn.train import train

FULL = Recipe(
    (12, 8), epochs=3, batch=4, lr_inv=(128, 256, 2048), schedule="linear", carry=True, carry_div=64, target_on=48,
    target_off=-8, one_sided=True, error_div=(8, 24), error_limit=127, feedback_limit=(25, 16), gain=2,
    weight_limit=(63, 46, 43), scale=(8, 16, 256), activation_div=(16, 8), input_shift=1, input_centre=3, loss_div=16,
    loss_limit=28000,
)  # fmt: skip
RECIPES = {
    "all at once": FULL,
    "rates of all layers double": Recipe((12,), epochs=9, batch=4, lr_inv=300, lr_doubling=4, loss_limit=999),
    "a rate that stays": Recipe((12,), epochs=2, batch=4, lr_inv=300),
    "one epoch": Recipe((12,), epochs=1, batch=4, lr_inv=300, schedule="linear"),
    "none": Recipe((12,), epochs=0, batch=4, lr_inv=300, algorithm="bp"),
    "drawn weights": Recipe((12,), epochs=2, batch=4, init=90, schedule="linear"),
    "normalised": Recipe((12,), "pocket_sigmoid", batch_norm=True, epochs=2, batch=4, schedule="linear"),
}


def recorded(run):
    """The events of a program by step: moments, and events by key."""
    m, program = machine(32), Program()
    with Recorder(m, program) as recorder:
        run(m.over(recorder))
    return program


def before_training(recipe, data):
    """Saved weights as that training starts with them."""
    parameters = train(machine(32), data, replace(recipe, epochs=0)).network.parameters()
    return replace(digits(hidden=recipe.hidden, batch_norm=recipe.batch_norm), parameters=parameters, recipe=recipe)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_an_exported_training_takes_the_steps_of_train(recipe):
    """The first steps are equal in every result; every epoch begins with the rates that it has in `train`."""
    data = load_dataset("digits", 40)
    theirs = recorded(lambda m: train(m, data, replace(recipe, epochs=max(recipe.epochs, 1))))
    ours = recorded(lambda m: run_training(m, before_training(recipe, data), data, 9))

    def steps(program):
        return [(moment, keyed(events)) for moment, events in program.steps if moment.phase == "train"]

    count = 0
    for (moment, step), (other, same) in zip(steps(ours), steps(theirs), strict=False):
        if moment.epoch > 1:
            break
        assert moment == other
        assert {key: crc_of(event) for key, event in step.items()} == {key: crc_of(x) for key, x in same.items()}
        count += 1
    assert count == 6
    program = step_program(ours)
    for moment, step in steps(theirs):
        if moment.step == 2:
            for node in program.nodes:
                for operand, x in zip(node.operands, step[node.key].operands, strict=False):
                    if isinstance(operand, Setting):
                        begun = program.settings[operand.key]
                        assert np.array_equal(begun[min(moment.epoch, len(begun)) - 1].ints(), x.ints())
    falling = [recipe.rates(epoch) for epoch in range(1, recipe.epochs + 1)]
    assert bool(program.settings) == (len(set(falling)) > 1)
    assert [key[0] for key in program.resets] == ["loss.epoch_clamp" if recipe.loss_limit else "loss.epoch_add"]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_epochs_begin_on_this_computer_as_in_the_emulator(tmp_path, recipe):
    require("host")
    data = load_dataset("digits")
    saved = before_training(recipe, data)
    exported = export(machine(32), lambda m, steps: run_training(m, saved, data, steps), tmp_path / "out", 9)
    assert [step.begins for step in exported.golden].count(0) == 8
    with Trace(exported.folder / "golden.trace") as trace:
        assert verify_device(run_target(exported.folder, "host"), trace).first is None


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ("first_div_by[0] = fc", "first_div_by[0] = 1 + fc"),
        ("[row];", "[row * 0];"),
        ("state_loss_epoch_clamp[0] = 0", "(void)0"),
    ],
)
def test_a_fault_in_what_an_epoch_begins_with_is_found(tmp_path, what, instead):
    """By the golden steps: the first of another epoch is among them."""
    require("host")
    data = load_dataset("digits")
    saved = before_training(FULL, data)
    exported = export(machine(32), lambda m, steps: run_training(m, saved, data, steps), tmp_path / "out", 9)
    path = tmp_path / "out" / "network.c"
    text = path.read_text()
    assert what in text
    path.write_text(text.replace(what, instead))
    with Trace(exported.folder / "golden.trace") as trace:
        first = verify_device(run_target(exported.folder, "host"), trace).first
    assert (first.step, first.moment.epoch) == (7, 2)


def looped(begin=lambda m, epoch, x: x["total"], epochs=2, body=lambda m, step: None, first=1):
    """A program of one's own: a total, and a factor that each epoch loads."""

    def run(m, steps=3):
        total = start = m.load([[5, 6]], Role.ACCUMULATOR, at="start")
        factor = m.constant([2, 3], "factor")
        for epoch in range(first, first + epochs):
            for step in range(1, 4):
                m.now("run", epoch, step)
                if step == 1 and epoch > first:
                    factor = m.constant([epoch, 1], "factor")
                    total = begin(m, epoch, {"start": start, "total": total})
                body(m, step)
                total = m.add(total, m.mul(m.load([[step, epoch]], Role.INPUT), factor))

    return run


def test_state_and_vectors_of_ones_own_begin_anew(tmp_path):
    require("host")
    run = looped(lambda m, epoch, x: x["start"], epochs=3)
    program = step_program(recorded(run))
    assert program.resets == (("add", 0),)
    (rows,) = program.settings.values()
    assert [x.ints().tolist() for x in rows] == [[2, 3], [2, 1], [3, 1]]
    exported = export(machine(16), run, tmp_path / "out", 9)
    with Trace(exported.folder / "golden.trace") as trace:
        assert verify_device(run_target(exported.folder, "host"), trace).first is None


def test_state_that_goes_on_is_not_reset():
    program = step_program(recorded(looped()))
    assert program.resets == ()
    assert Carried(("add", 0)) in program.nodes[-1].operands


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (looped(lambda m, epoch, x: m.neg(x["total"])), "add uses another value than before"),
        (looped(lambda m, epoch, x: m.load([[0, 0]], Role.ACCUMULATOR, "anew")), "add uses another value than before"),
        (looped(body=lambda m, step: step == 2 and m.clock.epoch == 2 and m.constant(1, "x")), "differ in their ops"),
        (looped(lambda m, epoch, x: x["start"], first=4), "the first epoch is number 4; number them from 1"),
    ],
)  # fmt: skip
def test_what_no_device_program_does_is_refused(run, words):
    with pytest.raises(UsageError, match=words):
        step_program(recorded(run))


def test_a_step_of_the_first_epoch_that_differs_is_refused():
    """Wherever it is, not in the last ones alone."""

    def run(m):
        for step in range(1, 9):
            m.now("run", 1, step)
            x = m.load([step], Role.INPUT)
            m.add(x, x if step != 5 else m.neg(x))

    with pytest.raises(UsageError, match="differ in their ops"):
        step_program(recorded(run))


def test_more_epochs_than_a_table_holds_are_refused(tmp_path):
    recipe = {"epochs": 9000, "schedule": "linear", "lr_inv": (100, 200)}
    with pytest.raises(UsageError, match=r"has another value in many of 9000 epochs"):
        export_digits(machine(32), tmp_path / "out", True, 3, **recipe)
