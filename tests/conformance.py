"""The suite that any backend must pass: values, flags and spans, against a slower definition of the same thing.

A `Case` is one op on register contents. `check(factory, case)` runs it on the truth and on the backend in lockstep,
which raises DivergenceError at the first difference. The truth is Reference; Reference itself is checked against
`Oracle`, an independent definition of every op by whole-array arithmetic on unbounded integers.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import arrays, broadcasting, integers_outside, overflows, patterned, registers, shapes, values, words

from pocketnn.arith import (
    OPS,
    Backend,
    Flags,
    Lockstep,
    Outcome,
    Overflow,
    Reference,
    Register,
    Role,
    Span,
    Tensor,
    Word,
)
from pocketnn.errors import ShapeError

__all__ = [
    "CASES",
    "MISFITS",
    "Case",
    "Oracle",
    "Program",
    "check",
    "check_misfit",
    "check_program",
    "exhaustive",
    "fold_cases",
    "patterned_pairs",
    "programs",
]

Factory = Callable[[], Backend]


@dataclass(frozen=True)
class Case:
    """One op: its register operands with the word each is in, its static parameters, and its destination.

    For `load` the one operand is what comes from outside, and its word means nothing.
    """

    op: str
    operands: tuple[tuple[np.ndarray, Word], ...]
    to: Register
    params: tuple[Any, ...] = ()

    def __str__(self) -> str:
        bits = "-".join(str(word.bits) for word in dict.fromkeys(word for _, word in self.operands))
        return f"{self.op}-{bits}-to-{self.to.word.bits}-{self.to.overflow.value}-{self.to.role.value}"


def check(factory: Factory, case: Case) -> Outcome:
    """Run `case` on the backend and on the truth. Returns the outcome; operands must come out of it unchanged."""
    return _run(Lockstep(_truth(factory), factory()), case)


def _truth(factory: Factory) -> Backend:
    return Oracle() if factory is Reference else Remembering()


def _run(pair: Lockstep, case: Case) -> Outcome:
    op = OPS[case.op]
    if case.op == "load":
        return pair.apply(op, (case.operands[0][0],), case.to, "load")
    args = [_load(pair, array, word) for array, word in case.operands]
    outcome = pair.apply(op, (*args, *case.params), case.to, case.op)
    for position, (arg, (array, _)) in enumerate(zip(args, case.operands, strict=True)):
        if not np.array_equal(arg.right.ints(), array):
            raise AssertionError(f"{case.op} changed its operand {position}")
    return outcome


def _load(pair: Lockstep, array: np.ndarray, word: Word) -> Any:
    return pair.apply(OPS["load"], (array,), Register(Role.INPUT, word), "operand").value


class Remembering(Reference):
    """Reference that computes each distinct large op once: the same exhaustive case serves every backend."""

    known: ClassVar[dict[Any, Outcome]] = {}

    def apply(self, op: Any, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op`, or repeat what was found out before."""
        if op.name == "load" or args[0].size < 256:
            return super().apply(op, args, to, site)
        key = (op.name, args, to)
        if key not in self.known:
            self.known[key] = super().apply(op, args, to, site)
        return self.known[key]


# --- an independent definition -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """The Oracle's values: an array of unbounded integers."""

    data: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def size(self) -> int:
        return self.data.size

    def ints(self) -> np.ndarray:
        return self.data.astype(np.int64)


def _objects(x: Any) -> np.ndarray:
    """An array of Python integers, 0-d ones included (NumPy turns those into bare integers at every step)."""
    return np.asarray(x, dtype=object)


def _element_by_element(function: Callable[..., int]) -> Callable[..., np.ndarray]:
    ufunc = np.frompyfunc(function, function.__code__.co_argcount, 1)
    return lambda *args: _objects(ufunc(*args))


def _root(x: int) -> int:
    return bisect.bisect_right(range(1 << 25), x, key=lambda r: r * r) - 1 if x >= 0 else 0


def _ladder(x: np.ndarray, below: np.ndarray, choices: np.ndarray) -> np.ndarray:
    chosen = np.full(x.shape, choices[-1], dtype=object)
    for bound, choice in reversed(list(zip(below, choices, strict=False))):
        chosen = np.where(x < bound, choice, chosen)
    return _objects(chosen)


def _pick(x: np.ndarray, indices: Tensor) -> np.ndarray:
    zero = np.zeros((*x.shape[:-1], 1), dtype=object)
    table = np.array(indices.items, dtype=int).reshape(indices.shape)
    return _objects(np.take(np.concatenate([zero, x], axis=-1), table + 1, axis=-1))


_EXACT: dict[str, Callable[..., np.ndarray]] = {
    "load": lambda x: x,
    "add": _element_by_element(lambda a, b: a + b),
    "sub": _element_by_element(lambda a, b: a - b),
    "neg": _element_by_element(lambda a: 0 - a),
    "mul": _element_by_element(lambda a, b: a * b),
    "div": _element_by_element(lambda a, b: math.trunc(Fraction(a, b))),
    "clamp": _element_by_element(lambda x, lo, hi: sorted((x, lo, hi))[1] if lo <= hi else hi),
    "select": _ladder,
    "max": _element_by_element(lambda a, b: b if a < b else a),
    "isqrt": _element_by_element(_root),
    "gather": _pick,
    "transpose": lambda x, axes: x.transpose(axes),
    "reshape": lambda x, shape: x.reshape(shape),
    "argmax": lambda x: _objects((x == x.max(axis=-1, keepdims=True)).argmax(axis=-1)),
}


class Oracle(Backend):
    """Every op again, by whole arrays of unbounded integers; shares no code with pocketnn's backends."""

    def apply(self, op: Any, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute an op on well-formed operands."""
        data = [_objects(x.data if isinstance(x, Box) else x) for x in args[: op.arity]]
        params = args[op.arity :]
        if op.name in ("mac", "sum"):
            return self._fold(op.name, data, params, to)
        zeros = np.zeros((), bool)
        if op.name == "div":
            zeros = np.broadcast_to(data[1] == 0, np.broadcast_shapes(data[0].shape, data[1].shape)).astype(bool)
            exact = _EXACT["div"](data[0], _objects(np.where(data[1] == 0, 1, data[1])))
            exact = _objects(np.where(zeros, to.word.hi, exact))
        else:
            exact = _EXACT[op.name](*data, *params)
        stored, changed = self._narrow(exact, to)
        flags = self._flags(changed.astype(int), stored, exact)._replace(zero_divisions=int(zeros.sum()))
        if op.name == "div" and to.role is Role.UPDATE:
            dividends = np.broadcast_to(data[0], exact.shape)
            flags = flags._replace(
                vanished=sum(1 for a, q in zip(dividends.flat, exact.flat, strict=True) if a and not q)
            )
        span = Span(exact.min(), exact.max(), exact.min(), exact.max()) if exact.size else None
        return Outcome(Box(stored), flags, span)

    def _fold(self, name: str, data: list[np.ndarray], params: tuple[Any, ...], to: Register) -> Outcome:
        if name == "mac":
            left, right = data
            terms = [left[:, k, None] * right[None, k, :] for k in range(left.shape[1])]
            shape: tuple[int, ...] = (left.shape[0], right.shape[1])
        else:
            (x,), (axis,) = data, params
            terms = [x.take([k], axis) for k in range(x.shape[axis])]
            shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        held, exact, least, most = (_objects(np.zeros(shape, dtype=object)) for _ in range(4))
        events = np.zeros(shape, int)
        for term in terms:
            exact, least, most = exact + term, least + np.minimum(term, 0), most + np.maximum(term, 0)
            if name == "mac":
                term, changed = self._narrow(term, to)
                events += changed
            held, changed = self._narrow(held + term, to)
            events += changed
        span = Span(exact.min(), exact.max(), least.min(), most.max()) if exact.size else None
        return Outcome(Box(held), self._flags(events, held, exact), span)

    @staticmethod
    def _narrow(exact: np.ndarray, to: Register) -> tuple[np.ndarray, np.ndarray]:
        half = 2 ** (to.word.bits - 1)
        if to.overflow is Overflow.WRAP:
            stored = _objects((exact + half) % (2 * half) - half)
        else:
            stored = _objects(np.where(exact >= half, half - 1, np.where(exact < -half, -half, exact)))
        return stored, (stored != exact).astype(bool)

    @staticmethod
    def _flags(events: np.ndarray, stored: np.ndarray, exact: np.ndarray) -> Flags:
        touched, wrong = events > 0, stored != exact
        return Flags(
            events=int(events.sum()),
            elements=int(touched.sum()),
            transient=int((touched & ~wrong.astype(bool)).sum()),
            corrupted=int(wrong.sum()),
            first=int(np.flatnonzero(touched)[0]) if touched.any() else -1,
        )


# --- every value there is ----------------------------------------------------------------------------------


def _every(word: Word) -> np.ndarray:
    return np.arange(word.lo, word.hi + 1)


def _tuples(word: Word, length: int) -> np.ndarray:
    """Every tuple of `length` values, one a row."""
    return np.array(list(itertools.product(range(word.lo, word.hi + 1), repeat=length)))


def exhaustive() -> Iterator[Case]:
    """Every pair, value or triple of narrow words for every op, into words of the same and of other widths."""
    w3, w4, w8 = Word(3), Word(4), Word(8)
    for mode in Overflow:
        for word, targets in ((w4, (2, 4, 7)), (w8, (8,))):
            for bits in targets:
                for op in ("add", "sub", "mul", "div", "max"):
                    yield _pairs(op, _every(word), word, Word(bits), mode)
        for bits in (3, 8, 9):
            to = Register(Role.ACTIVATION, Word(bits), mode)
            for op, params in (("neg", ()), ("isqrt", ()), ("reshape", ((16, 16),)), ("load", ())):
                yield Case(op, ((_every(w8), w8),), to, params)
            yield Case("transpose", ((_every(w8).reshape(4, 16, 4), w8),), to, ((2, 0, 1),))
            table = Tensor((257,), tuple(range(-1, 256)))
            yield Case("gather", ((_every(w8), w8),), to, (table,))
            choices = np.array([-128, 127, 0, 9])
            for below in ([-128, 0, 127], [5, 5, -5], [100, -100, 0]):
                yield Case("select", ((_every(w8), w8), (np.array(below), w8), (choices, w8)), to)
        yield Case("isqrt", ((_every(Word(14)), Word(14)),), Register(Role.ACTIVATION, w4, mode))
        for bits in (2, 4):
            to = Register(Role.ACCUMULATOR, Word(bits), mode)
            x = _every(w4)
            yield Case("clamp", ((x[:, None, None], w4), (x[:, None], w4), (x, w4)), to)
            yield Case("argmax", ((_tuples(w3, 3), w3),), to)
            yield Case("sum", ((_tuples(w4, 3), w4),), to, (1,))
            yield Case("sum", ((_tuples(w4, 3).T, w4),), to, (0,))
            yield Case("mac", ((_tuples(w3, 2), w3), (_tuples(w3, 2).T, w3)), to)
        yield Case("mac", ((_tuples(w4, 2), w4), (_tuples(w4, 2).T, w4)), Register(Role.ACCUMULATOR, w4, mode))


def patterned_pairs() -> Iterator[Case]:
    """Pairs of patterned operands on both sides of each limit at which an exact dtype ends."""
    for mode, bits, op in itertools.product(Overflow, (16, 24, 25, 32, 48), ("add", "sub", "mul", "div")):
        word = Word(bits)
        chosen = np.array(patterned(word))
        chosen = np.concatenate([chosen[:9], chosen[-9:], chosen[9:-9:5]])
        yield _pairs(op, chosen, word, word, mode)


def _pairs(op: str, operands: np.ndarray, word: Word, to: Word, mode: Overflow) -> Case:
    role = Role.UPDATE if op == "div" else Role.ACCUMULATOR
    return Case(op, ((operands[:, None], word), (operands[None, :], word)), Register(role, to, mode))


# --- arbitrary cases ---------------------------------------------------------------------------------------


@st.composite
def _elementwise(draw: st.DrawFn, op: str) -> Case:
    operands = tuple((draw(arrays(word, s)), word) for s, word in _drawn(draw, broadcasting(OPS[op].arity)))
    return Case(op, operands, draw(registers()))


def _drawn(draw: st.DrawFn, several: st.SearchStrategy[tuple[tuple[int, ...], ...]]) -> list[tuple[Any, Word]]:
    return [(shape, draw(words())) for shape in draw(several)]


@st.composite
def _divisions(draw: st.DrawFn) -> Case:
    """Divisions, many of them into update registers and by zero, one or minus one."""
    (a, word_a), (b, word_b) = _drawn(draw, broadcasting(2))
    divisors = draw(arrays(word_b, b))
    if draw(st.booleans()):
        divisors = np.where(divisors % 3 == 0, draw(st.sampled_from([0, 1, -1])), divisors)
    to = draw(registers() | st.builds(Register, st.just(Role.UPDATE), words(), overflows))
    return Case("div", ((draw(arrays(word_a, a)), word_a), (divisors, word_b)), to)


@st.composite
def _loads(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    if draw(st.booleans()):
        dtype = draw(st.sampled_from([np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64]))
        bounds = np.iinfo(dtype)
        item = st.sampled_from([bounds.min, bounds.max, 0, 1]) | st.integers(int(bounds.min), int(bounds.max))
    else:
        dtype, item = object, integers_outside
    size = math.prod(shape)
    array = np.array(draw(st.lists(item, min_size=size, max_size=size)), dtype).reshape(shape)
    return Case("load", ((array, Word(2)),), draw(registers()))


@st.composite
def _macs(draw: st.DrawFn) -> Case:
    """Matrix products of every small size; no rows, no columns and nothing to sum included."""
    n, k, m = (draw(st.integers(0, 5)) for _ in range(3))
    a, b = draw(words()), draw(words())
    return Case("mac", ((draw(arrays(a, (n, k))), a), (draw(arrays(b, (k, m))), b)), draw(registers()))


@st.composite
def fold_cases(draw: st.DrawFn, op: str = "mac") -> Case:
    """Folds in which some elements overflow and most do not: small operands, and a few that are large."""
    n, k = draw(st.integers(4, 12)), draw(st.integers(1, 6))
    m = draw(st.integers(4, 12)) if op == "mac" else k
    word, to = draw(words()), draw(words())
    small = Word(min(word.bits, max(2, to.bits // 2 - 1)))
    pair = []
    for shape in ((n, k), (k, m)):
        array = draw(arrays(small, shape))
        for _ in range(draw(st.integers(0, 2))):
            array[tuple(draw(st.integers(0, side - 1)) for side in shape)] = draw(values(word))
        pair.append((array, word))
    register = Register(Role.ACCUMULATOR, to, draw(overflows))
    if op == "mac":
        return Case("mac", tuple(pair), register)
    return Case("sum", (pair[0],), register, (draw(st.integers(0, 1)),))


@st.composite
def _sums(draw: st.DrawFn) -> Case:
    shape, word = draw(shapes(1)), draw(words())
    axis = draw(st.integers(0, len(shape) - 1))
    return Case("sum", ((draw(arrays(word, shape)), word),), draw(registers()), (axis,))


@st.composite
def _selects(draw: st.DrawFn) -> Case:
    """Ladders of 0 to 4 bounds, in order or, as after an overflow on load, not; some hit exactly."""
    x_word, word = draw(words()), draw(words())
    x, count = draw(arrays(x_word, draw(shapes()))), draw(st.integers(0, 4))
    below = draw(arrays(word, (count,)))
    if count and x.size and draw(st.booleans()):
        word, below[0] = max(word, x_word, key=lambda w: w.bits), x.flat[0]
    if draw(st.booleans()):
        below = np.sort(below)
    choices = (draw(arrays(word, (count + 1,))), word)
    return Case("select", ((x, x_word), (below, word), choices), draw(registers()))


@st.composite
def _roots(draw: st.DrawFn) -> Case:
    """Square roots of perfect squares and their neighbours, and of negative values."""
    word, shape = draw(words()), draw(shapes())
    x = draw(arrays(word, shape))
    root = draw(st.integers(0, math.isqrt(word.hi)))
    near = np.clip([root * root - 1, root * root, root * root + 1], word.lo, word.hi)
    return Case("isqrt", ((np.where(x % 2 == 0, x, near[x % 3]), word),), draw(registers()))


@st.composite
def _gathers(draw: st.DrawFn) -> Case:
    shape, word, table = draw(shapes(1)), draw(words()), draw(shapes(0, 2, 3))
    size = math.prod(table)
    items = draw(st.lists(st.integers(-1, shape[-1] - 1), min_size=size, max_size=size))
    return Case("gather", ((draw(arrays(word, shape)), word),), draw(registers()), (Tensor(table, tuple(items)),))


@st.composite
def _transposes(draw: st.DrawFn) -> Case:
    shape, word = draw(shapes()), draw(words())
    axes = tuple(draw(st.permutations(range(len(shape)))))
    return Case("transpose", ((draw(arrays(word, shape)), word),), draw(registers()), (axes,))


@st.composite
def _reshapes(draw: st.DrawFn) -> Case:
    shape, word = draw(shapes()), draw(words())
    size = math.prod(shape)
    targets = [shape, shape[::-1], (size,), (1, size, 1), *([()] if size == 1 else [])]
    return Case("reshape", ((draw(arrays(word, shape)), word),), draw(registers()), (draw(st.sampled_from(targets)),))


@st.composite
def _argmaxes(draw: st.DrawFn) -> Case:
    shape, word = (*draw(shapes(0, 2)), draw(st.integers(1, 5))), draw(words())
    return Case("argmax", ((draw(arrays(word, shape)), word),), draw(registers()))


CASES: dict[str, st.SearchStrategy[Case]] = {
    "load": _loads(),
    **{name: _elementwise(name) for name in ("add", "sub", "neg", "mul", "clamp", "max")},
    "div": _divisions(),
    "mac": _macs(),
    "sum": _sums(),
    "select": _selects(),
    "isqrt": _roots(),
    "gather": _gathers(),
    "transpose": _transposes(),
    "reshape": _reshapes(),
    "argmax": _argmaxes(),
}
"""A strategy of well-formed cases for each op of the table."""


# --- ops on the results of ops -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """An op of a program; `args` are positions among the values so far, or static parameters."""

    op: str
    args: tuple[int, ...]
    to: Register
    params: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Program:
    """Ops on earlier results, where a backend's private knowledge of them (bounds, dtypes, caches) can be wrong.

    leaves: two values of one shape, then for `select` a row of n bounds and one of n + 1 choices.
    """

    leaves: tuple[tuple[np.ndarray, Word], ...]
    steps: list[Step] = field(default_factory=list)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """One to eight ops on n values, or on n x n; every result has that shape again."""
    n, rank = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    shape = (n,) * rank
    leaves = tuple((draw(arrays(word, s)), word) for s, word in _drawn(draw, st.just((shape, shape, (n,), (n + 1,)))))
    steps: list[Step] = []
    alike, count = [0, 1], 4  # positions of the values of that shape; number of values
    for _ in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from([op for op in OPS if op not in ("load", "argmax") and (rank == 2 or op != "mac")]))
        args = tuple(draw(st.sampled_from(alike)) for _ in range(OPS[name].arity))
        params: tuple[Any, ...] = ()
        if name == "select":
            args = args[0], draw(st.sampled_from([2] if rank == 2 else [2, *alike])), 3
        elif name == "gather":
            params = (Tensor((n,), tuple(draw(st.lists(st.integers(-1, n - 1), min_size=n, max_size=n)))),)
        elif name == "transpose":
            params = (tuple(reversed(range(rank))),)
        elif name == "reshape":
            params = (shape,)
        elif name == "sum":  # then back to the full shape at once
            steps.append(Step("sum", args, draw(registers()), (draw(st.integers(0, rank - 1)),)))
            name, args, count = "sub", (args[0], count), count + 1
        steps.append(Step(name, args, draw(registers()), params))
        alike.append(count)
        count += 1
    return Program(leaves, steps)


def check_program(factory: Factory, program: Program) -> None:
    """Run every step in lockstep with the truth; at the end all values must still be what they were."""
    pair = Lockstep(_truth(factory), factory())
    held = [_load(pair, array, word) for array, word in program.leaves]
    for number, step in enumerate(program.steps):
        args = tuple(held[i] for i in step.args)
        held.append(pair.apply(OPS[step.op], (*args, *step.params), step.to, f"step{number}").value)
    for number, value in enumerate(held):
        if not np.array_equal(value.left.ints(), value.right.ints()):
            raise AssertionError(f"a later step changed value {number}")


# --- operands that do not go together ----------------------------------------------------------------------

MISFITS: tuple[tuple[str, tuple[tuple[int, ...], ...], tuple[Any, ...]], ...] = (
    *((op, pair, ()) for op in ("add", "sub", "mul", "div", "max") for pair in (((2,), (3,)), ((2, 3), (2,)))),
    ("clamp", ((2,), (3,), ()), ()),
    ("clamp", ((2,), (), (3,)), ()),
    ("mac", ((2, 3), (2, 3)), ()),
    ("mac", ((2, 0), (2, 3)), ()),
    ("mac", ((2,), (2, 2)), ()),
    ("mac", ((), ()), ()),
    ("mac", ((1, 2, 3), (3, 1)), ()),
    ("sum", ((2,),), (1,)),
    ("sum", ((2, 2),), (-1,)),
    ("sum", ((),), (0,)),
    ("select", ((2,), (2,), (2,)), ()),
    ("select", ((2,), (2,), (4,)), ()),
    ("select", ((2,), (1, 2), (3,)), ()),
    ("select", ((2, 2), (1, 2), (3,)), ()),
    ("select", ((2, 2), (2, 1), (3,)), ()),
    ("select", ((2,), (), (2,)), ()),
    ("select", ((2,), (2,), (3, 1)), ()),
    ("gather", ((2, 3),), (Tensor((2,), (0, 3)),)),
    ("gather", ((2, 3),), (Tensor((2,), (0, -2)),)),
    ("gather", ((2, 0),), (Tensor((1,), (0,)),)),
    ("gather", ((),), (Tensor((2,), (-1, -1)),)),
    ("gather", ((),), (Tensor((1, 2), (-1, -1)),)),
    ("transpose", ((2, 3),), ((0,),)),
    ("transpose", ((2, 3),), ((0, 0),)),
    ("transpose", ((2, 3),), ((0, 2),)),
    ("transpose", ((2, 3),), ((0, -1),)),
    ("transpose", ((2, 3),), ((),)),
    ("transpose", ((),), ((0,),)),
    ("reshape", ((2, 3),), ((5,),)),
    ("reshape", ((2, 3),), ((-1,),)),
    ("reshape", ((2, 3),), ((-2, -3),)),
    ("reshape", ((),), ((2,),)),
    ("argmax", ((),), ()),
    ("argmax", ((0,),), ()),
    ("argmax", ((2, 0),), ()),
    ("argmax", ((0, 0),), ()),
)
"""Op, operand shapes, static parameters: each must raise ShapeError."""


def check_misfit(backend: Backend, misfit: tuple[str, tuple[tuple[int, ...], ...], tuple[Any, ...]]) -> str:
    """The message of the ShapeError that the operands of `misfit` raise."""
    name, operand_shapes, params = misfit
    word = Register(Role.INPUT, Word(8))
    args = [backend.apply(OPS["load"], (np.ones(s, int),), word, "operand").value for s in operand_shapes]
    with pytest.raises(ShapeError) as caught:
        backend.apply(OPS[name], (*args, *params), word, name)
    return str(caught.value)
