"""Advice: for the site that breaks first, the smallest single change of each kind that makes it fit, run to prove it.

Each kind of change is a ladder of steps, the smallest first. A step is run on the machine asked for and given up at the
site's first overflow, which mostly comes early, so a kind costs little more than one whole run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pocketnn.arith import MAX_BITS, OPS, Around, Op, Outcome, Register, Role, Tensor, Vector, Word
from pocketnn.audit.propose import REGISTERS, narrowest
from pocketnn.audit.report import Advice, Evidence, outcome_of
from pocketnn.audit.source import Source, run_on
from pocketnn.audit.verdict import Target
from pocketnn.errors import OverflowTrap
from pocketnn.machine import Machine, SiteKey, Widths
from pocketnn.train import Progress

__all__ = ["advise"]

_CHUNKS = tuple(1 << n for n in range(10, -1, -1))  # terms of a partial sum, the longest first


@dataclass(frozen=True, slots=True)
class _Trial:
    """One step of a ladder. chunk: terms of a partial sum in the narrow register, where the site is split."""

    change: str
    source: Source
    widths: Widths
    chunk: int | None = None


class _Watched(Around):
    """Gives up at the first overflow of one site; splits its sums into chunks in a register of `part` bits if asked."""

    def __init__(self, site: SiteKey, chunk: int | None, part: Word) -> None:
        super().__init__(Vector())
        self.site = site
        self.chunk = chunk
        self.part = part

    def apply(self, op: Op, args: tuple[Any, ...], to: Register, site: str) -> Outcome:
        """Execute `op`; see Backend.apply. Raises OverflowTrap at the site's first overflow."""
        if (site, op.name, to.role) != self.site:
            return self.inner.apply(op, args, to, site)
        outcome = self._split(args, to) if self.chunk else self.inner.apply(op, args, to, site)
        if outcome.flags.events or outcome.flags.zero_divisions:
            raise OverflowTrap(f"{site} still overflows", None)
        return outcome

    def _split(self, args: tuple[Any, ...], to: Register) -> Outcome:
        """A matrix product whose partial sums of `chunk` terms are in the narrow register, their total in `to`."""
        left, right = args
        depth = left.shape[1]
        move, part = Register(Role.HOST, Word(MAX_BITS)), Register(to.role, self.part, to.overflow)
        columns = self._apply("transpose", (right, (1, 0)), move)
        step = self.chunk or depth
        total: Any = None
        for start in range(0, depth, step):
            terms = range(start, min(depth, start + step))
            indices = Tensor((len(terms),), tuple(terms))
            a = self._apply("gather", (left, indices), move)
            b = self._apply("transpose", (self._apply("gather", (columns, indices), move), (1, 0)), move)
            piece = self._apply("mac", (a, b), part)
            total = piece if total is None else self._apply("add", (total, piece), to)
        return self.inner.apply(OPS["reshape"], (total, total.shape), to, self.site.name)

    def _apply(self, name: str, args: tuple[Any, ...], to: Register) -> Any:
        outcome = self.inner.apply(OPS[name], args, to, self.site.name)
        if outcome.flags.events:
            raise OverflowTrap(f"{self.site.name} still overflows", None)
        return outcome.value


def advise(source: Source, asked: Target, failed: Evidence, exact: Evidence, progress: Progress | None) -> list[Advice]:
    """For the site at which `asked` broke first: per kind of change, the smallest step that fits, and what it reached.

    failed: the run on `asked`. exact: the exact run. Kinds that cannot make the site fit are left out.
    """
    first = failed.ledger.first
    if first is None:
        return []
    result = []
    for ladder in _ladders(source, asked, first.key, exact):
        for trial in ladder:
            advice = _try(trial, asked, first.key, exact, progress)
            if advice:
                result.append(advice)
                break
    return result


def _try(trial: _Trial, asked: Target, site: SiteKey, exact: Evidence, progress: Progress | None) -> Advice | None:
    target = Target(trial.widths, asked.overflow)
    machine = Machine(_Watched(site, trial.chunk, asked.widths[site.role]), target.widths, target.overflow)
    try:
        evidence = run_on(trial.source, machine, trial.change, progress)
    except OverflowTrap:
        return None
    return Advice(asked, site, trial.change, outcome_of(target, evidence, exact))


def _ladders(source: Source, asked: Target, site: SiteKey, exact: Evidence) -> Iterator[Iterator[_Trial]]:
    widths = asked.widths
    for ladder in source.ladders():
        yield (_Trial(change, changed, widths) for change, changed in ladder)
    role, word = site.role, widths[site.role]
    wider = [Word(bits) for bits in REGISTERS if bits > word.bits]
    yield (_Trial(f"{role.value} registers of {w.bits} bits", source, _with(widths, role, w)) for w in wider)
    need = narrowest(exact.ledger).get(role, MAX_BITS)
    room = next((w for w in wider if w.bits >= need), None)
    if site.op == "mac" and room is not None:
        yield (
            _Trial(
                f"partial sums of {n} terms in {word.bits} bits, totals in {room.bits}",
                source,
                _with(widths, role, room),
                n,
            )
            for n in _CHUNKS
        )


def _with(widths: Widths, role: Role, word: Word) -> Widths:
    return Widths(widths.word, {**widths.roles, role: word})
