"""Small networks and op zoos to export, and targets that skip or fail as asked."""

from __future__ import annotations

import os

import numpy as np
import pytest
from strategies import patterned

from pocketnn.arith import OPS, Overflow, Register, Role, Tensor, Word
from pocketnn.data import load_dataset
from pocketnn.export import TARGETS, export, run_inference, run_training
from pocketnn.init import Rand
from pocketnn.machine import Machine, Widths
from pocketnn.nn import Architecture
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved


def require(target):
    """Skip with the package to install if a target's tools are missing; fail if POCKETNN_REQUIRE_MCU names it."""
    missing = TARGETS[target].missing
    if not missing:
        return
    message = f"{target}: no tools for {TARGETS[target].what}; apt-get install {' '.join(missing)}"
    if target in os.environ.get("POCKETNN_REQUIRE_MCU", "").split(","):
        pytest.fail(f"{message} (POCKETNN_REQUIRE_MCU asks for it)")
    pytest.skip(message)


def digits(algorithm="dfa", hidden=(16,), activation="pocket_tanh", batch_norm=False, seed=1):
    """An untrained network for the digits; "bp" has drawn weights, "dfa" zeros."""
    architecture = Architecture((64, *hidden, 10), activation, batch_norm)
    parameters = architecture.drawn(Rand(seed)) if algorithm == "bp" else architecture.zeros()
    return Saved(parameters, Recipe(hidden, activation, algorithm, batch_norm, batch=4, lr_inv=100))


def machine(bits, overflow=Overflow.WRAP, **roles):
    words = {Role(role): Word(width) for role, width in roles.items()}
    return Machine(widths=Widths(Word(bits), words), overflow=overflow)


def export_digits(m, folder, train, golden, saved=None, plain=False, **recipe):
    data = load_dataset("digits")
    saved = saved or digits("dfa" if train else "bp")
    saved = saved.changed(**recipe)
    run = run_training if train else run_inference
    return export(m, lambda m, steps: run(m, saved, data, steps), folder, golden, plain)


WIDTHS = (2, 5, 8, 9, 16, 17, 24, 31, 32, 33, 47, 48)


def zoo(m, seed, steps=3, argmax=False, widths=WIDTHS):
    """Every op but argmax, or argmax alone, on patterned values of many widths, into many widths."""
    for step in range(1, steps + 1):
        m.now("test", 0, step)
        rng = np.random.default_rng([seed, step])
        shape_rng = np.random.default_rng(seed)
        for number, bits in enumerate(widths):
            _ops(m, rng, shape_rng, number, bits, argmax)


def _ops(m, rng, shape_rng, number, bits, argmax):
    def given(name, shape, width):
        pool = np.array(patterned(Word(width)))
        register = Register(Role.INPUT, Word(width), m.overflow)
        outcome = m.backend.apply(OPS["load"], (rng.choice(pool, shape),), register, f"w{number}.{name}")
        return outcome.value

    def apply(name, *args):
        width = int(shape_rng.choice([2, 7, 8, 15, 16, 20, 31, 32, 40, 48, bits, bits]))
        register = Register(Role.ACCUMULATOR, Word(width), m.overflow)
        return m.backend.apply(OPS[name], args, register, f"w{number}.{name}").value

    other = int(shape_rng.choice([3, 8, 11, 16, 30, 32, 48, bits]))
    if argmax:
        apply("argmax", given("a", (7, 9), bits))
        return
    a, b = given("a", (7, 9), bits), given("b", (7, 9), other)
    row, one = given("row", (1, 9), other), given("one", (), other)
    below, choices = given("below", (3,), bits), given("choices", (4,), other)
    columns = given("columns", (9, 5), other)
    for name in ("add", "sub", "mul", "div", "max"):
        apply(name, a, b), apply(name, row, a), apply(name, a, one)
    apply("neg", apply("neg", a))
    apply("isqrt", a)
    apply("clamp", a, row, b), apply("clamp", b, a, a)
    apply("select", a, below, choices), apply("select", one, below, choices)
    apply("mac", a, columns)
    apply("sum", a, 0), apply("sum", a, 1)
    apply("gather", a, Tensor((2, 3), (0, -1, 8, 3, -1, 1)))
    apply("transpose", a, (1, 0))
    apply("reshape", apply("transpose", b, (1, 0)), (3, 21))
