"""Machine: what a network sees. Named ops, a word per role, an overflow mode, site names, and a ledger of flags.

Everything above `arith` is written against this class alone, so the same network code runs on any backend.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from pocketnn.arguments import check_operands, table, whole_numbers
from pocketnn.arith import (
    CLEAN,
    OPS,
    Backend,
    Flags,
    Op,
    Overflow,
    Register,
    Role,
    Values,
    Vector,
    Word,
    add_flags,
    narrowings,
    plain,
)
from pocketnn.errors import OverflowTrap, UsageError
from pocketnn.ledger import Clock, Ledger, Site, SiteKey, Witness
from pocketnn.widths import Widths

__all__ = ["Clock", "Ledger", "Machine", "Site", "SiteKey", "Widths", "Witness"]


class Machine:
    """Named ops on registers.

    backend: how to compute; by default Vector. widths and overflow: the target; also as bits, or as text like the
    command line's. trap: raise OverflowTrap at the first overflow instead of going on (as in Python's decimal).
    `scope` gives the same machine under a longer site name.

    Every op method narrows its exact results into the register of role `to` (wraparound or saturation, as the machine
    was made), adds its flags to the ledger at the site of name "<scope>.<at>" and of its op and role, and raises
    ShapeError on operands that do not match. Operands are values that this machine handed out. Raises UsageError for
    others, and for roles that do not exist; of values of another machine that computes in the same way, for those that
    no register here holds where a site first runs.
    """

    def __init__(
        self,
        backend: Backend | None = None,
        widths: Widths | Word | int | str | None = None,
        overflow: Overflow | str = Overflow.WRAP,
        trap: bool = False,
    ) -> None:
        self.backend = Vector() if backend is None else _backend(backend)
        self.widths = Widths() if widths is None else Widths.of(widths)
        self.overflow = Overflow(overflow)
        self.trap = trap
        self.ledger = Ledger()
        self.clock = Clock()
        self._registers = {role: Register(role, self.widths[role], self.overflow) for role in Role}
        self._prefix = ""
        self._sites: dict[tuple[str, str, Role], Site] = {}

    def scope(self, name: str) -> Machine:
        """This machine, writing its ops under site prefix `name`. Ledger, clock and backend are shared."""
        inner = copy(self)
        inner._prefix = f"{self._prefix}{name}."
        inner._sites = {}
        return inner

    def over(self, backend: Backend) -> Machine:
        """This machine, computing by `backend`. Ledger and clock are shared; values of the old backend are not."""
        inner = copy(self)
        inner.backend = _backend(backend)
        inner._sites = {}
        return inner

    def now(self, phase: str, epoch: int = 0, step: int = 0) -> None:
        """Set the clock; the network's training and evaluation loops call it before each step."""
        clock = self.clock
        clock.phase, clock.epoch, clock.step = phase, epoch, step
        clock.ticks += 1

    def register(self, role: Role) -> Register:
        """The register that role `role` has on this machine."""
        return self._registers[Role(role)]

    # --- one method per row of the op table -------------------------------------------------------------

    def load(self, outside: object, to: Role, at: str = "load") -> Values:
        """Integers from outside (see as_integers), narrowed. Raises DataError if they are not integers."""
        return self.apply(OPS["load"], (outside,), to, at)

    def constant(self, value: object, at: str) -> Values:
        """A constant of the program, narrowed like everything else."""
        return self.apply(OPS["load"], (value,), Role.CONSTANT, at)

    def limits(self, limit: int, name: str) -> tuple[Values, Values]:
        """The constants -limit and limit, for `clamp`."""
        return self.constant(-limit, f"{name}_lo"), self.constant(limit, f"{name}_hi")

    def add(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "add") -> Values:
        """a + b, element by element."""
        return self.apply(OPS["add"], (a, b), to, at)

    def sub(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "sub") -> Values:
        """a - b, element by element."""
        return self.apply(OPS["sub"], (a, b), to, at)

    def neg(self, a: Values, to: Role = Role.ACCUMULATOR, at: str = "neg") -> Values:
        """-a; the negative of the word's minimum overflows."""
        return self.apply(OPS["neg"], (a,), to, at)

    def mul(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "mul") -> Values:
        """a * b, element by element."""
        return self.apply(OPS["mul"], (a, b), to, at)

    def div(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "div") -> Values:
        """a / b truncated toward zero; x / 0 gives the word's maximum and is flagged as a division by zero."""
        return self.apply(OPS["div"], (a, b), to, at)

    def mac(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "mac") -> Values:
        """Matrix product (N, K) by (K, M): k = 0, 1, 2, ...; each product narrowed, then each sum."""
        return self.apply(OPS["mac"], (a, b), to, at)

    def sum(self, x: Values, axis: int, to: Role = Role.ACCUMULATOR, at: str = "sum") -> Values:
        """Sum along `axis`, which stays with length 1; narrowed after each addition."""
        return self.apply(OPS["sum"], (x, *whole_numbers((axis,), "axis")), to, at)

    def clamp(self, x: Values, lo: Values, hi: Values, to: Role = Role.ACCUMULATOR, at: str = "clamp") -> Values:
        """min(max(x, lo), hi)."""
        return self.apply(OPS["clamp"], (x, lo, hi), to, at)

    def select(
        self, x: Values, below: Values, choices: Values, to: Role = Role.ACCUMULATOR, at: str = "select"
    ) -> Values:
        """Compare and select: choices[i] for the first i with x < below[i], else the last of the T+1 choices."""
        return self.apply(OPS["select"], (x, below, choices), to, at)

    def max(self, a: Values, b: Values, to: Role = Role.ACCUMULATOR, at: str = "max") -> Values:
        """The greater of a and b, element by element."""
        return self.apply(OPS["max"], (a, b), to, at)

    def isqrt(self, x: Values, to: Role = Role.ACCUMULATOR, at: str = "isqrt") -> Values:
        """Floor of the square root; 0 for negative values."""
        return self.apply(OPS["isqrt"], (x,), to, at)

    def gather(self, x: Values, indices: object, to: Role = Role.ACCUMULATOR, at: str = "gather") -> Values:
        """Elements of the last axis by a static index table, shape x.shape[:-1] + indices.shape; -1 gives 0.

        indices: a Tensor, or integers nested as the table is.
        """
        return self.apply(OPS["gather"], (x, table(indices)), to, at)

    def transpose(self, x: Values, axes: tuple[int, ...], to: Role = Role.ACCUMULATOR, at: str = "transpose") -> Values:
        """Permute axes."""
        return self.apply(OPS["transpose"], (x, whole_numbers(axes, "axes")), to, at)

    def reshape(self, x: Values, shape: tuple[int, ...], to: Role = Role.ACCUMULATOR, at: str = "reshape") -> Values:
        """The same elements, row-major, in another shape."""
        return self.apply(OPS["reshape"], (x, whole_numbers(shape, "shape")), to, at)

    def argmax(self, x: Values, to: Role = Role.ACCUMULATOR, at: str = "argmax") -> Values:
        """Index of the greatest element along the last axis, the lowest index among equals."""
        return self.apply(OPS["argmax"], (x,), to, at)

    # ----------------------------------------------------------------------------------------------------

    def score(self, predicted: Values, labels: object) -> int:
        """How many predictions equal their labels (N integers from outside), counted on the host.

        The labels are no part of the program, so they are in a register of the host, which holds any of them, and in no
        ledger; the backend sees them all the same, so that a recorded run says what it was scored against.
        """
        check_operands(OPS["argmax"], (predicted,), "score", self.backend, None)
        known = self.backend.apply(OPS["load"], (labels,), self._registers[Role.HOST], f"{self._prefix}labels").value
        classes = predicted.ints()
        self.ledger.predictions.add(self.clock.phase, self.clock.epoch, classes)
        return int(np.count_nonzero(classes == known.ints()))

    def apply(self, op: Op, args: tuple[Any, ...], to: Role, at: str) -> Values:
        """Any row of the op table: its operands, then its static parameters."""
        try:
            register = self._registers[to]
            site = self._sites.get((at, op.name, to))
            if site is None:
                site = self._site(op, args, register, at)
            value, flags, span = self.backend.apply(op, args, register, site.name)
        except Exception:  # why does not matter where an argument is to blame
            Role(to)
            check_operands(op, args, at, self.backend, None)
            raise
        site.calls += 1
        size = value.size
        site.elements += size
        if op.depth is not None:
            size *= op.rounds * op.depth((args[0].shape,), args[op.arity :])
        site.narrowings += size
        if span is not None:
            site.extent.add(span, value)
        if flags is not CLEAN:
            self._note(site, op, args, register, flags, value.shape)
        return value  # type: ignore[no-any-return]

    def _site(self, op: Op, args: tuple[Any, ...], register: Register, at: str) -> Site:
        """The site of this op, which runs for the first time in this scope."""
        key = SiteKey(f"{self._prefix}{at}", op.name, register.role)
        known = self.ledger.sites.get(key)
        if known is None:
            check_operands(op, args, at, self.backend, self._widest())
            known = self.ledger.sites[key] = Site(key.name, op.name, register)
        self._sites[at, op.name, register.role] = known
        return known

    def _widest(self) -> Word | None:
        """The widest word that a value can be in; None if some are on the host."""
        if any(site.register.role is Role.HOST for site in self.ledger):
            return None
        words = [self.widths[role] for role in Role if role is not Role.HOST]
        return max(words, key=lambda word: word.bits)

    def _note(
        self, site: Site, op: Op, args: tuple[Any, ...], to: Register, flags: Flags, shape: tuple[int, ...]
    ) -> None:
        site.flags = add_flags(site.flags, flags)
        if flags.events == flags.zero_divisions == 0:  # something vanished
            return
        if self.ledger.left is None and (flags.corrupted or flags.zero_divisions):
            self.ledger.left = (site.key, copy(self.clock))
        if flags.events == 0 or (site.witness is not None and not self.trap):
            return
        if flags.first < 0:  # ranges: something can overflow, but there is no value to show
            return
        element = tuple(int(i) for i in np.unravel_index(flags.first, shape))
        plain_args = tuple(plain(x.ints() if op.name != "load" else x) for x in args[: op.arity]) + args[op.arity :]
        step = next(s for s in narrowings(op, plain_args, element, to) if s.exact != s.stored)
        clock, terms = self.clock, tuple(op.terms(plain_args, element))
        site.witness = Witness(site.name, op.name, clock.phase, clock.epoch, clock.step, element, step, to, terms)
        self.ledger.first = self.ledger.first or site.witness
        if self.trap:
            raise OverflowTrap(str(site.witness), site.witness)


def _backend(given: object) -> Backend:
    if not isinstance(given, Backend):
        raise UsageError(f"backend is {given!r}: give a Backend, such as Vector(), or leave it out for that one")
    return given
