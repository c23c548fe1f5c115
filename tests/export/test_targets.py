"""Exported programs on instruction sets: identical digests everywhere, from the emulator to the simulators."""

import subprocess

import pytest
from exporting import digits, export_digits, machine, require, zoo

from pocketnn.arith import Overflow, Word
from pocketnn.data import load_dataset
from pocketnn.errors import TargetError
from pocketnn.export import (
    count_steps,
    export,
    read_log,
    run_boundaries,
    run_inference,
    run_target,
    run_training,
    sizes,
    verify_device,
)
from pocketnn.machine import Machine, Widths
from pocketnn.saved import load_saved
from pocketnn.trace import Trace

pytestmark = pytest.mark.mcu

MCUS = ["avr", "arm", "riscv"]
CORES = [*MCUS, "m0", "m4", "m7", "m33"]


@pytest.fixture(scope="module", params=[(bits, mode) for bits in (8, 16, 32) for mode in Overflow], ids=str)
def folders(request, tmp_path_factory):
    """Inference and 20 training steps of the digits network, exported for one machine."""
    bits, overflow = request.param
    folder = tmp_path_factory.mktemp("digits")
    export_digits(machine(bits, overflow), folder / "infer", False, 20)
    export_digits(machine(bits, overflow), folder / "train", True, 20)
    return folder


def identical(folder, target, **options):
    with Trace(folder / "golden.trace") as trace:
        verdict = verify_device(run_target(folder, target, options=options), trace)
    assert verdict.first is None
    return verdict.steps


@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_digits_on_this_computer(folders, level):
    require("host")
    for name in ("infer", "train"):
        (folders / name / "build" / "host.elf").unlink(missing_ok=True)
        assert identical(folders / name, "host", OPT=level) == 20


@pytest.mark.parametrize("target", MCUS)
def test_digits_on_a_microcontroller(folders, target):
    require(target)
    for name in ("infer", "train"):
        assert identical(folders / name, target) == 20


@pytest.mark.parametrize("target", CORES)
def test_every_op_and_boundary(tmp_path, target):
    require(target)
    m = machine(16, Overflow.SATURATE, accumulator=32)
    export(m, lambda m, steps: run_boundaries(m, "pocket_tanh", 4, steps), tmp_path / "edges", 1)
    if target not in ("avr", "m0"):  # 16 KB of RAM
        assert identical(tmp_path / "edges", target) == 1
    for overflow, bits in ((Overflow.WRAP, 8), (Overflow.SATURATE, 48)):

        def run(m, steps, bits=bits):
            zoo(m, 7, steps, widths=(bits,))

        exported = export(machine(32, overflow), run, tmp_path / overflow.value, 1)
        found = read_log(run_target(exported.folder, target))
        assert [name for name, crc in exported.golden[0].digests.items() if found[0][name] != crc] == []


@pytest.mark.parametrize("bits", [8, 32])
def test_digits_inference_by_a_third_compiler_family(tmp_path, bits):
    """Inference alone: sdcc takes minutes over the one long function of a training step."""
    require("stm8")
    exported = export_digits(machine(bits), tmp_path / "out", False, 3)
    assert identical(tmp_path / "out", "stm8") == 3
    found = sizes(tmp_path / "out", "stm8")
    assert found["bss"] + found["data"] == exported.source.layout.ram
    assert found["text"] > exported.source.layout.flash


@pytest.mark.parametrize(
    ("hidden", "said"), [((200, 200), "code and constants end beyond 64 KiB"), ((10, 600), "of RAM there are 6144")]
)
def test_a_network_for_which_a_third_compiler_family_has_no_room(tmp_path, hidden, said):
    """Its linker would not say so."""
    require("stm8")
    m = Machine(widths=Widths.parse("8+accumulator=48"))
    exported = export_digits(m, tmp_path / "out", False, 1, digits("bp", hidden))
    with pytest.raises(TargetError, match=said):
        run_target(exported.folder, "stm8")


WORK = """
#include "network.h"
void pocketnn_step(const uint8_t *unused)
{
    (void)unused;
#if defined(__AVR__)
    __builtin_avr_delay_cycles(200000UL);
#elif defined(__riscv)
    __asm__ volatile("li t0, 100000\\n1: addi t0, t0, -1\\n bnez t0, 1b" : : : "t0");
#else
    uint32_t left = 100000;
    __asm__ volatile(".syntax unified\\n1: subs %0, %0, #1\\n bne 1b" : "+l"(left) : : "cc");
#endif
}
"""


@pytest.mark.parametrize("target", ["avr", "arm", "riscv", "m0", "m4", "m7", "m33"])
def test_counts_of_a_known_piece_of_work(tmp_path, target):
    """200,000 cycles, or a loop of two instructions that runs 100,000 times, and at most 60 for the call."""
    require(target)
    exported = export_digits(machine(16), tmp_path / "out", False, 2)
    (tmp_path / "out" / "network.c").write_text(WORK)
    counts = count_steps(exported.folder, target)
    assert counts.unit == ("cycles" if target == "avr" else "instructions")
    assert len(counts.steps) == 2
    assert all(200000 - counts.within <= count <= 200060 + counts.within for count in counts.steps)


def test_a_count_that_ran_over_is_none(tmp_path):
    """67 million cycles and more are too many for the two timers."""
    require("avr")
    exported = export_digits(machine(16), tmp_path / "out", False, 1)
    (tmp_path / "out" / "network.c").write_text(WORK.replace("200000UL", "70000000UL"))
    assert count_steps(exported.folder, "avr") is None


def test_a_cut_off_count_is_an_error(tmp_path):
    require("riscv")
    exported = export_digits(machine(16), tmp_path / "out", False, 2)
    source = tmp_path / "out" / "count.c"
    source.write_text(source.read_text().replace("pocketnn counted", "gone"))
    with pytest.raises(TargetError, match="no whole log"):
        count_steps(exported.folder, "riscv")


def test_avr_needs_two_words_beyond_c99(tmp_path):
    """__flash and __memx name where constants are; without them the source is strict C99."""
    require("avr")
    exported = export_digits(machine(16), tmp_path / "out", True, 1)
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-D__flash=", "-D__memx="]
    command = ["avr-gcc", "-mmcu=atmega1284p", *strict, "-fsyntax-only", str(exported.folder / "network.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("target", [*MCUS, "m0", "m33"])
def test_sizes(tmp_path, target):
    require(target)
    exported = export_digits(machine(16), tmp_path / "out", True, 1)
    found = sizes(exported.folder, target)
    assert 0 < found["bss"] + found["data"] <= exported.source.layout.ram + 16  # gaps; what is never read is left out
    assert found["text"] > exported.source.layout.flash


@pytest.mark.parametrize("target", MCUS)
def test_a_planted_fault_is_named(tmp_path, target):
    require(target)
    exported = export_digits(machine(16), tmp_path / "out", False, 3)
    tables = tmp_path / "out" / "network_tables.h"
    name, (place, _) = next(
        (n, t) for n, t in exported.source.layout.tables.items() if n.startswith("fcLast_load_bias")
    )
    head, rest = tables.read_text().split(f"{name}[{place.size}] = {{\n    ", 1)
    number, rest = rest.split(",", 1)
    tables.write_text(f"{head}{name}[{place.size}] = {{\n    {int(number) ^ 1},{rest}")
    with Trace(tmp_path / "out" / "golden.trace") as trace:
        first = verify_device(run_target(tmp_path / "out", target), trace).first
    assert (first.step, first.site) == (1, "fcLast.forward.add")


# --- MNIST --------------------------------------------------------------------------------------------------


@pytest.fixture
def mnist(datasets, golden):
    """The data, and the reference's weights after 3 epochs."""
    data = load_dataset("mnist")
    return data, load_saved(golden / "mnist-3-epochs", data)


def test_mnist_inference_on_a_cortex_m(tmp_path, mnist):
    require("arm")
    data, saved = mnist
    m = Machine(widths=Widths(Word(32)))
    export(m, lambda m, steps: run_inference(m, saved, data, steps), tmp_path / "out", 100)
    assert identical(tmp_path / "out", "arm") == 100


def test_mnist_inference_on_an_avr(tmp_path, mnist):
    """8-bit weights: 84 kB of constants, beyond what a 16-bit pointer reaches, the largest in a table of rows."""
    require("avr")
    data, saved = mnist
    m = machine(8, accumulator=16)
    exported = export(m, lambda m, steps: run_inference(m, saved, data, steps), tmp_path / "out", 3)
    assert exported.source.layout.flash > 65536
    assert identical(tmp_path / "out", "avr") == 3


def test_a_mnist_training_step_on_this_computer(tmp_path, mnist):
    require("host")
    data, saved = mnist
    m = Machine(widths=Widths(Word(32)))
    export(m, lambda m, steps: run_training(m, saved, data, steps), tmp_path / "out", 1)
    assert identical(tmp_path / "out", "host") == 1
