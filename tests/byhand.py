"""Ops by hand: what happens at one element of an op, in loops over plain Python integers. Operands come as arrays
and are taken as lists; of the package only the player of a trace is used, to get at its operands."""

import itertools
import math
from typing import NamedTuple

from pocketnn.arith import Overflow, Vector
from pocketnn.machine import Machine, Widths
from pocketnn.trace import Player, Trace


def flat(value):
    """Row-major Python integers of an array, and a function from an index of a result to its place (broadcasting)."""
    shape = value.shape
    items = [int(x) for x in value.reshape(-1).tolist()]
    steps = [math.prod(shape[i + 1 :]) if n != 1 else 0 for i, n in enumerate(shape)]
    return items, lambda index: sum(i * s for i, s in zip(index[len(index) - len(shape) :], steps, strict=True))


def quotient(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def terms_of(op, index, args, params):
    """The exact numbers that go one after the other into the register of one element; None for x / 0."""

    def at(n, where=index):
        items, place = args[n]
        return items[place(where)]

    if op == "mac":
        a, b = args
        inner = params["inner"]
        return [a[0][index[0] * inner + k] * b[0][k * params["columns"] + index[1]] for k in range(inner)]
    if op == "sum":
        axis = params["axis"]
        return [at(0, (*index[:axis], k, *index[axis + 1 :])) for k in range(params["length"])]
    if op == "select":
        below = args[1][0]
        return [args[2][0][next((i for i, limit in enumerate(below) if at(0) < limit), len(below))]]
    if op == "transpose":
        back = [0] * len(index)
        for place, axis in enumerate(params["axes"]):
            back[axis] = index[place]
        return [at(0, tuple(back))]
    if op == "argmax":
        length = params["length"]
        row = [at(0, (*index, k)) for k in range(length)]
        return [row.index(max(row))]
    if op == "div":
        return None if at(1) == 0 else [quotient(at(0), at(1))]
    return [
        {
            "load": lambda: at(0), "add": lambda: at(0) + at(1), "sub": lambda: at(0) - at(1),
            "mul": lambda: at(0) * at(1), "neg": lambda: -at(0), "max": lambda: max(at(0), at(1)),
            "clamp": lambda: min(max(at(0), at(1)), at(2)),
        }[op]()
    ]  # fmt: skip


def narrow(x, bits, wraps):
    """The register's contents, by the book."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if low <= x <= high:
        return x
    return (x - low) % 2**bits + low if wraps else low if x < low else high


class Element(NamedTuple):
    """What happened at one element: overflows, the register's last contents, what it would be exactly, and the sums of
    the negative and of the positive terms, the bounds of every partial sum in any order (0 for what is no sum)."""

    events: int
    stored: int
    exact: int
    least: int
    most: int


class Event:
    """One execution of an op on given operands (arrays, then static parameters), on a register of `bits` bits."""

    def __init__(self, op, given, bits, wraps):
        self.name, self.bits, self.wraps = op.name, bits, wraps
        arity = max(op.arity, 1)
        values = given[:arity]
        self.params = dict(zip(op.params, given[arity:], strict=True))
        if values[0].shape:
            self.params |= {"inner": values[0].shape[-1], "length": values[0].shape[self.params.get("axis", -1)]}
            self.params["columns"] = values[-1].shape[-1] if values[-1].shape else 1
        self.args = [flat(x) for x in values]

    def at(self, index):
        """The Element at an index of the result; None if it was divided by zero."""
        terms = terms_of(self.name, index, self.args, self.params)
        if terms is None:
            return None
        folds = self.name in ("mac", "sum")
        register = touched = 0
        for term in terms:
            product = narrow(term, self.bits, self.wraps)
            before = register + product if folds else product
            register = narrow(before, self.bits, self.wraps)
            touched += (product != term) + (register != before)
        reach = (sum(t for t in terms if t < 0), sum(t for t in terms if t > 0)) if folds else (0, 0)
        return Element(touched, register, sum(terms), *reach)


def recomputed(path, bits, overflow, site):
    """Of one site on one machine: elements in all, events, elements touched, corrupted, and the exact ranges."""
    every = events = elements = corrupted = 0
    ends, reach = [], [0, 0]
    machine, wraps = Machine(Vector(), Widths.of(bits), overflow), overflow is Overflow.WRAP
    with Trace(path) as trace:
        player = Player(trace, machine)
        for step in trace.steps:
            for one in trace.recorded(step):
                if one.code.site != site:
                    continue
                player.run(step, until=one.id)
                given = player.operands(one.id, one.code)
                by_hand = Event(one.code.op, [x.ints() if hasattr(x, "ints") else x for x in given], bits, wraps)
                for index in itertools.product(*map(range, one.code.shape)):
                    every += 1
                    element = by_hand.at(index)
                    if element is None:
                        continue
                    events += element.events
                    elements += element.events > 0
                    corrupted += element.stored != element.exact
                    ends.append(element.exact)
                    reach = [min(reach[0], element.least), max(reach[1], element.most)]
            player.run(step)
    return every, (events, elements, corrupted), [min(ends), max(ends)] if ends else None, reach
