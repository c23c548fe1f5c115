"""Audits of anybody's own code that is written against Machine: it runs once, on exact and on narrow registers at once.

with pocketnn.audit(word=16) as report:
    my_network(report.machine, inputs)
print(report)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pocketnn.arith import MAX_BITS, Around, Backend, Op, Overflow, Pair, Register, Role, Vector, Word
from pocketnn.arith import Outcome as OpOutcome
from pocketnn.audit.report import Evidence, Report, Subject, build_report
from pocketnn.audit.text import as_text
from pocketnn.audit.verdict import Target
from pocketnn.machine import Machine, Widths

__all__ = ["LiveAudit", "assert_no_overflow", "live_audit"]


class _Beside(Around):
    """Runs every op on `inner`, whose outcome counts, and on `exact`, a machine of its own with 48-bit registers."""

    def __init__(self, inner: Backend, exact: Machine) -> None:
        super().__init__(inner)
        self.exact = exact

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> OpOutcome:
        """Execute `op` twice, each time on that machine's own values; see Backend.apply."""
        outcome = self.inner.apply(op, tuple(x.left if isinstance(x, Pair) else x for x in args), to, site)
        rights = tuple(x.right if isinstance(x, Pair) else x for x in args)
        if to.role is Role.HOST:  # no part of the audited machine, so in no ledger
            exact = self.exact.backend.apply(op, rights, self.exact.register(to.role), site).value
        else:
            exact = self.exact.apply(op, rights, to.role, site)
        return outcome._replace(value=Pair(outcome.value, exact))

    def takes(self, value: object) -> bool:
        """Pairs of a value on the target and the exact one."""
        return isinstance(value, Pair) and self.inner.takes(value.left)


class LiveAudit:
    """What `pocketnn.audit` hands out: `machine` to run code on, and the report of everything that ran on it so far.

    The values that the code sees are those of the target; the exact ones are computed beside them, so a branch that
    the code takes on values is the target's.
    """

    def __init__(self, target: Target, name: str) -> None:
        exact = Machine(Vector(measure=True), Widths(Word(MAX_BITS)))
        self._exact = exact
        self._target = target
        self._name = name
        self.machine = Machine(_Beside(Vector(), exact), target.widths, target.overflow)
        exact.clock = self.machine.clock

    @property
    def report(self) -> Report:
        """The report, as for any other audit."""
        own = Evidence(None, self.machine.ledger)
        subject = Subject(self._name, f"{len(self.machine.ledger.sites)} sites of a program of its own")
        return build_report(subject, Evidence(None, self._exact.ledger), [(self._target, own)], [self._target])

    @property
    def overflowed(self) -> bool:
        """Whether anything overflowed or was divided by zero on the target."""
        return self.machine.ledger.overflowed

    def __str__(self) -> str:
        return "\n".join(as_text(self.report))


@contextmanager
def live_audit(
    word: Widths | int | str = 32,
    accumulator: int | None = None,
    overflow: Overflow | str = "wrap",
    name: str = "program",
) -> Iterator[LiveAudit]:
    """Audit the code in the `with` block for a machine of `word` bits (accumulators: `accumulator`, where they differ).

    word: also text like "16+loss=32". overflow: "wrap" or "saturate". name: what the report calls it. Raises UsageError
    for what does not exist.
    """
    yield LiveAudit(Target(Widths.of(word, accumulator), Overflow(overflow)), name)


def assert_no_overflow(
    program: Callable[[Machine], object],
    word: Widths | int | str = 32,
    accumulator: int | None = None,
    overflow: Overflow | str = "wrap",
) -> None:
    """For tests: run `program` on a machine; fail if anything overflows or is divided by zero there, or nothing ran.

    The AssertionError says at which sites, the first overflow with its operands, and the bits that each site needs.
    """
    with live_audit(word, accumulator, overflow, getattr(program, "__name__", "program")) as audit:
        program(audit.machine)
    if not audit.report.ran:
        raise AssertionError("nothing ran on the machine, so nothing was judged")
    if audit.overflowed:
        raise AssertionError("\n" + str(audit))
