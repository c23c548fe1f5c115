"""The exported C, built for this computer, against the emulator."""

import itertools

import numpy as np
import pytest
from exporting import digits, export_digits, machine, require, zoo

from pocketnn.activations import ACTIVATIONS
from pocketnn.arith import OPS, Overflow, Role
from pocketnn.conv import Conv2d, ImageShape
from pocketnn.data import load_dataset
from pocketnn.errors import IncompleteError, TargetError, UsageError
from pocketnn.export import export, read_log, run_boundaries, run_target, sizes, step_program, verify_device
from pocketnn.export.graph import Carried, Constant
from pocketnn.trace import Program, Recorder, Trace


@pytest.fixture(autouse=True)
def compiler():
    require("host")


def judged(exported, target="host", **options):
    with Trace(exported.folder / "golden.trace") as trace:
        return verify_device(run_target(exported.folder, target, options=options), trace)


def assert_same(exported):
    """Compare without the trace: its player gives every register the word of its role, the zoo has its own."""
    found = read_log(run_target(exported.folder, "host", options={"OPT": "-O1"}))
    for step, golden in zip(found, exported.golden, strict=True):
        wrong = [name for name, crc in golden.digests.items() if step[name] != crc]
        assert not wrong


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_every_op_at_many_widths(tmp_path, overflow, seed):
    exported = export(machine(32, overflow), lambda m, steps: zoo(m, seed, steps), tmp_path / "out", 3)
    assert {node.code.op.name for node in exported.source.program.nodes} == set(OPS) - {"argmax"}
    assert_same(exported)
    folder = tmp_path / "argmax"  # a program of its own: what no prediction depends on would be left out
    exported = export(machine(32, overflow), lambda m, steps: zoo(m, seed, steps, argmax=True), folder, 3)
    assert {node.code.op.name for node in exported.source.program.nodes} == {"load", "argmax"}
    assert_same(exported)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_training_is_the_emulators(tmp_path, bits, overflow):
    exported = export_digits(machine(bits, overflow), tmp_path / "out", True, 6)
    verdict = judged(exported)
    assert (verdict.first, verdict.steps) == (None, 6)
    assert (tmp_path / "out" / "expected.log").read_text() == run_target(tmp_path / "out", "host")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_boundaries_of_every_activation(tmp_path, activation):
    m = machine(24, accumulator=32)
    exported = export(m, lambda m, steps: run_boundaries(m, activation, 64, steps), tmp_path / "out", 1)
    assert judged(exported, OPT="-O0").first is None


@pytest.mark.parametrize(("algorithm", "batch_norm"), [("bp", False), ("dfa", True)])
def test_other_ways_to_train(tmp_path, algorithm, batch_norm):
    saved = digits("bp", (12, 8), "pocket_sigmoid", batch_norm)
    exported = export_digits(machine(16), tmp_path / "out", True, 4, saved, algorithm=algorithm)
    assert judged(exported, OPT="-O1").first is None


def test_what_is_still_read_is_not_overwritten(tmp_path):
    """Operands in buffers and in state that have the result's shape, but are read in another order."""

    def run(m, steps):
        rng = np.random.default_rng(1)
        state = m.load(np.arange(4), Role.ACCUMULATOR, at="state")
        for step in range(1, steps + 1):
            m.now("test", 0, step)
            x = m.load(rng.integers(-9, 9, 4), Role.ACCUMULATOR, at="x")
            below = m.neg(m.load(np.array([-1, 2, -3]), Role.ACCUMULATOR, at="given_below"), at="below")
            y = m.select(x, below, m.neg(x, at="choices"), at="first")
            z = m.add(m.select(y, below, state, at="second"), x, at="x_is_needed")
            square = m.reshape(m.load(rng.integers(-9, 9, (4, 4)), Role.ACCUMULATOR, at="square"), (4, 4))
            turned = m.transpose(m.neg(square, at="negated"), (1, 0), at="turned")
            rows = m.add(turned, m.reshape(z, (1, 4), at="row"), at="broadcast")
            new = m.reshape(m.sum(m.mac(rows, turned, at="mac"), 0), (4,), at="new")
            state = m.select(new, below, state, at="third")

    assert judged(export(machine(16), run, tmp_path / "out", 6)).first is None


def test_training_with_all_that_recipes_offer(tmp_path):
    saved = digits("bp", (12, 8))
    options = {
        "carry": True,
        "one_sided": True,
        "gain": 3,
        "error_div": (5, 7),
        "lr_inv": (50, 60, 70),
        "target_on": 90,
    }
    exported = export_digits(machine(16), tmp_path / "out", True, 5, saved, **options)
    assert any("carry" in site or "remainder" in site for site, _ in exported.source.program.state)
    assert judged(exported, OPT="-O1").first is None


@pytest.mark.parametrize("overflow", Overflow)
def test_convolution(tmp_path, overflow):
    """Windows with padding, pooling by gathers and maxima: a program of one's own, for weights files hold none."""
    rng = np.random.default_rng(2)
    filters, bias = rng.integers(-90, 90, (3, 1, 3, 3)), rng.integers(-900, 900, (1, 3))
    images = load_dataset("digits").test.images

    def run(m, steps):
        layer = Conv2d(m.scope("conv1"), ImageShape(1, 8, 8), filters, bias, "pocket_sigmoid", padding=1)
        for step in range(1, steps + 1):
            m.now("test", 0, step)
            m.argmax(layer.forward(m.load(images[step : step + 1], Role.INPUT)))

    exported = export(machine(12, overflow), run, tmp_path / "out", 4)
    assert {"gather", "max"} <= {node.code.op.name for node in exported.source.program.nodes}
    assert judged(exported).first is None


def test_jitter_is_refused(tmp_path):
    with pytest.raises(UsageError, match="jitter"):
        export_digits(machine(16), tmp_path / "out", True, 1, jitter=1)


def test_widths_of_roles_differ(tmp_path):
    m = machine(16, Overflow.SATURATE, accumulator=32, activation=8, weight=12, delta=20)
    assert judged(export_digits(m, tmp_path / "out", True, 4)).first is None


def test_a_planted_fault_is_named(tmp_path):
    exported = export_digits(machine(16), tmp_path / "out", False, 3)
    tables = tmp_path / "out" / "network_tables.h"
    name, (_, weights) = next(
        (n, t) for n, t in exported.source.layout.tables.items() if n.startswith("fc1_load_weight")
    )
    seen = exported.golden[1].inputs["input.load", 0]
    row = int(np.flatnonzero(seen[0])[0])
    position, lines = row * weights.shape[1], tables.read_text().split(name, 1)
    numbers = lines[1].split("{", 1)[1].split("}", 1)[0].replace("\n", " ").split(",")
    numbers[position] = str(int(numbers[position]) + 1)
    head, rest = lines[1].split("{", 1)
    tables.write_text(lines[0] + name + head + "{" + ",".join(numbers) + "}" + rest.split("}", 1)[1])
    first = judged(exported).first
    used = next(i for i, step in enumerate(exported.golden, 1) if step.inputs["input.load", 0][0, row])
    assert (first.step, first.site, first.op) == (used, "fc1.forward.mac", "mac")


def test_a_wrong_update_is_named_in_its_own_step(tmp_path):
    exported = export_digits(machine(16), tmp_path / "out", True, 3)
    assert judged(exported).first is None
    text = (tmp_path / "out" / "network_tables.h").read_text()
    (tmp_path / "out" / "network_tables.h").write_text(text.replace("((int16_t)-100)", "((int16_t)-99)"))
    first = judged(exported).first
    assert first.step == 1
    assert ".update." in first.site


# --- what is derived from the recording ---------------------------------------------------------------------


def recorded(run, bits=16):
    m, program = machine(bits), Program()
    with Recorder(m, program) as recorder:
        run(m.over(recorder))
    return step_program(program)


def test_weights_are_state_in_training_and_constants_in_inference(tmp_path):
    trained = export_digits(machine(16), tmp_path / "a", True, 1).source.program
    assert {key[0] for key in trained.state} == {
        *(f"{layer}.update.{name}" for layer in ("fc1", "fcLast") for name in ("clamp", "bias_clamp")),
        "loss.epoch_add",
    }
    predicting = export_digits(machine(16), tmp_path / "b", False, 1).source
    assert predicting.program.state == {}
    assert not any("grad_inv" in node.key[0] for node in predicting.program.nodes)  # nothing depends on it
    assert predicting.layout.flash >= 2 * (64 * 16 + 16 * 10)


def test_a_value_of_the_step_before_is_carried():
    def run(m):
        total = m.load([5], Role.ACCUMULATOR, at="start")
        two = m.constant(2, "two")
        for step in range(1, 4):
            m.now("test", 0, step)
            total = m.add(total, m.mul(m.load([step], Role.INPUT), two))

    program = recorded(run)
    add = program.nodes[-1]
    assert add.operands[0] == Carried(("add", 0))
    assert program.state["add", 0].ints().tolist() == [5]
    assert isinstance(program.nodes[1].operands[1], Constant)


def test_programs_that_repeat_nothing_are_refused():
    def changing(m):
        for step in range(1, 4):
            m.now("test", 0, step)
            x = m.load([step], Role.INPUT)
            m.add(x, x, at=f"add{step}")

    with pytest.raises(UsageError, match="differ in their ops"):
        recorded(changing)
    with pytest.raises(UsageError, match="2 steps are recorded; 3 are needed"):
        recorded(lambda m: [m.now("test", 0, s) or m.load([s], Role.INPUT) for s in (1, 2)])


def test_a_value_from_two_steps_ago_is_refused():
    def run(m):
        start = m.load([1], Role.INPUT, at="start")
        old = [m.add(start, start)] * 2
        for step in range(1, 5):
            m.now("test", 0, step)
            old.append(m.add(m.load([step], Role.INPUT), old[-2]))

    with pytest.raises(UsageError, match="more than one step ago"):
        recorded(run)


# --- logs ---------------------------------------------------------------------------------------------------


def test_logs_that_are_not_whole(tmp_path):
    export_digits(machine(8), tmp_path / "out", False, 2)
    lines = (tmp_path / "out" / "expected.log").read_text().splitlines()
    whole = read_log("\n".join(["boot", *lines, "bye"]))
    assert [len(step) for step in whole] == [20, 20]
    coloured = "\n".join(f"\x1b[0m\x1b[32m{line}." for line in lines)
    assert read_log(coloured) == whole
    for cut in (lines[:-1], lines[:30], [], lines[-1:]):
        with pytest.raises(IncompleteError):
            read_log("\n".join(cut))
    for position in range(len(lines)):
        with pytest.raises(IncompleteError):
            read_log("\n".join(lines[:position] + lines[position + 1 :]))
    for position in range(len(lines) - 1):
        with pytest.raises(IncompleteError):
            read_log("\n".join(lines[: position + 1] + lines[position:]))
    changed = lines[3][:-1] + ("0" if lines[3][-1] != "0" else "1")
    with pytest.raises(IncompleteError, match="garbled"):
        read_log("\n".join([*lines[:3], changed, *lines[4:]]))


def test_a_program_that_does_not_build_or_end(tmp_path):
    exported = export_digits(machine(8), tmp_path / "out", False, 1)
    source = tmp_path / "out" / "main.c"
    text = source.read_text()
    source.write_text(text.replace("platform_begin();", "for (;;) { }", 1))
    with pytest.raises(TargetError, match="did not end within 1 s"):
        run_target(exported.folder, "host", timeout=1, options={"WARNINGS": "", "OPT": "-O0"})
    source.write_text(text.replace("platform_begin();", "platform_begin(", 1))
    with pytest.raises(TargetError, match=r"building for this computer failed: .*main\.c"):
        run_target(exported.folder, "host")


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        export_digits(machine(8), tmp_path / "out", False, 1)
    with pytest.raises(UsageError, match="does not exist"):
        export_digits(machine(8), tmp_path / "no" / "out", False, 1)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["out"]


def test_sizes(tmp_path):
    exported = export_digits(machine(16), tmp_path / "out", False, 1)
    found = sizes(exported.folder, "host")
    assert found["text"] + found["data"] > exported.source.layout.flash
    assert found["bss"] >= exported.source.layout.ram


def test_plain_int_is_refused_where_it_shows_nothing(tmp_path):
    for bits, overflow in itertools.product((8, 16, 32, 48), Overflow):
        if (bits, overflow) != (32, Overflow.WRAP):
            with pytest.raises(UsageError, match="only in 32-bit registers that wrap"):
                export_digits(machine(bits, overflow), tmp_path / "out", False, 1, plain=True)
