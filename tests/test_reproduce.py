"""Shrunk reproducers: they still overflow, nothing in them can be left out, and the test they write passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import blobs

from pocketnn.arith import OPS, Overflow, Reference, Role, Word
from pocketnn.audit.reproduce import as_test, as_vectors, shrink
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.train import train
from pocketnn.vectors import check_file, run

WORD = Word(8)


def witness(program, overflow=Overflow.WRAP, word=WORD):
    machine = Machine(Reference(), Widths(word), overflow)
    program(machine)
    return machine.ledger.first


def host(m, values):
    return m.load(values, Role.HOST, at="host")


@given(
    st.lists(st.tuples(st.integers(-128, 127), st.integers(-12, 12)), min_size=1, max_size=30),
    st.sampled_from(list(Overflow)),
)
def test_of_a_mac_no_term_can_be_left_out(pairs, overflow):
    a, b = zip(*pairs, strict=True)
    found = witness(lambda m: m.mac(host(m, [list(a)]), host(m, [[x] for x in b])), overflow)
    if found is None:
        return
    small = shrink(found)
    assert run(small, Reference()).flags.events > 0
    count = small.operands[0].shape[1]
    # no smaller choice among the terms up to the overflow leaves the word on its side: not even the largest ones
    sign = 1 if found.narrowing.exact > 0 else -1
    reach = sorted((sign * x * y for x, y in pairs[: found.narrowing.k + 1]), reverse=True)
    assert sum(reach[:count]) > (WORD.hi if sign > 0 else -WORD.lo)
    assert sum(reach[: count - 1]) <= (WORD.hi if sign > 0 else -WORD.lo)


PROGRAMS = {
    "load": lambda m: m.load([[1, 200]], Role.INPUT),
    "add": lambda m: m.add(host(m, [[1, 100]]), host(m, [[1, 100]])),
    "sub": lambda m: m.sub(host(m, [[-100]]), host(m, [[100]])),
    "neg": lambda m: m.neg(host(m, [3, -128])),
    "mul": lambda m: m.mul(host(m, [3, 60]), host(m, 3)),
    "div": lambda m: m.div(host(m, [3, -128]), host(m, -1)),
    "mac": lambda m: m.mac(host(m, [[1, 100, -5, 90]]), host(m, [[1], [1], [2], [1]])),
    "sum": lambda m: m.sum(host(m, [[1, 100, -5, 90]]), 1),
    "clamp": lambda m: m.clamp(host(m, [500]), host(m, 0), host(m, 400)),
    "select": lambda m: m.select(host(m, [5]), host(m, [0]), host(m, [1, 999])),
    "max": lambda m: m.max(host(m, [500]), host(m, 0)),
    "isqrt": lambda m: m.isqrt(host(m, [40000])),
    "transpose": lambda m: m.transpose(host(m, [[5, 300]]), (1, 0)),
    "reshape": lambda m: m.reshape(host(m, [[5, 300]]), (2,)),
    "argmax": lambda m: m.argmax(host(m, [[0] * 200 + [1]])),
}


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_op_can_be_reproduced(name, overflow, tmp_path):
    found = witness(PROGRAMS[name], overflow)
    assert found.op == name
    case = shrink(found)
    text = as_test([case], 'a "test"\\ of\nlines \u2028')
    namespace = {}
    exec(compile(text, "witness", "exec"), namespace)
    (test,) = [value for key, value in namespace.items() if key.startswith("test_")]
    test()
    path = tmp_path / "w.vec"
    path.write_text(as_vectors([case], "a test of\nlines"))
    (result,) = {(r.cases, r.differing) for r in check_file(path)}
    assert result == (1, 0)
    assert " overflow" in path.read_text().splitlines()[-1]


def test_the_ops_are_all_there():
    assert set(PROGRAMS) == set(OPS) - {"gather"}


def test_a_training_on_every_machine(tmp_path):
    small = []
    for bits in (8, 16):
        for overflow in Overflow:
            machine = Machine(None, Widths(Word(bits)), overflow)
            train(machine, blobs(120), Recipe((9,), epochs=1, batch=5, lr_inv=50))
            for site in machine.ledger:
                if site.witness:
                    small.append(shrink(site.witness))
                    assert run(small[-1], Reference()).flags.events > 0
    assert max(np.prod(r.operands[0].shape) for r in small if r.op.name == "mac") < 10
