"""What a machine writes down of a run: sites with sticky flags and ranges, first witnesses, and where the run is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from pocketnn.arith import CLEAN, Extent, Flags, Narrowing, Register, Role, Span, add_flags
from pocketnn.errors import UsageError
from pocketnn.scores import Predictions

__all__ = ["Clock", "Ledger", "Site", "SiteKey", "Sites", "Witness", "labels"]


class SiteKey(NamedTuple):
    """What a site is: its name, its op, and the role of the register that it writes to.

    A role has one register on a machine, so on that machine this is (name, op, register); on every machine it is the
    same. Ops of two kinds under one name are two sites.
    """

    name: str
    op: str
    role: Role

    def __str__(self) -> str:
        return f"{self.name} ({self.op}, {self.role.value})"


def labels(keys: Iterable[SiteKey]) -> dict[SiteKey, str]:
    """How to call each site where all of `keys` are shown: by its name; with op and role where several share one."""
    keys = list(keys)
    named = Counter(key.name for key in keys)
    return {key: key.name if named[key.name] == 1 else str(key) for key in keys}


@dataclass(slots=True)
class Clock:
    """Where a run is: phase ("build", "train", "test", ...), epoch and step, both from 1; 0 before the first.

    ticks: how often the clock was set.
    """

    phase: str = "build"
    epoch: int = 0
    step: int = 0
    ticks: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Witness:
    """One narrowing that changed a value, with everything needed to check it by hand.

    terms: the operand values that met at the element, for k = 0, 1, 2, ... (see Op.terms).
    """

    site: str
    op: str
    phase: str
    epoch: int
    step: int
    element: tuple[int, ...]
    narrowing: Narrowing
    register: Register
    terms: tuple[tuple[int, ...], ...] = field(default=(), repr=False, compare=False)

    @property
    def key(self) -> SiteKey:
        """The site where it happened."""
        return SiteKey(self.site, self.op, self.register.role)

    def __str__(self) -> str:
        n, r = self.narrowing, self.register
        sign = {"product": " * ", "sum": " * " if len(n.operands) == 2 else ""}.get(n.stage, ", ")
        shown = sign.join(map(str, n.operands[:4])) + (", ..." if len(n.operands) > 4 else "")
        sum_of = f"{n.before} + ({shown}) = " if n.stage == "sum" else f"{self.op}({shown}) = "
        when = self.phase if self.epoch == 0 else f"{self.phase}, epoch {self.epoch}, step {self.step}"
        place = f"{self.site}{list(self.element) or ''} k={n.k}"
        article = "an" if r.word.bits in (8, 11, 18) else "a"
        return (
            f"{place} [{when}]: {sum_of}{n.exact}, stored {n.stored} "
            f"in {article} {r.word.bits}-bit {r.role.value} register ({r.overflow.value})"
        )


@dataclass(slots=True)
class Site:
    """Everything that one written op did in a run; counters only ever grow (sticky flags)."""

    name: str
    op: str
    register: Register
    calls: int = 0
    elements: int = 0
    narrowings: int = 0
    flags: Flags = CLEAN
    witness: Witness | None = None
    extent: Extent = field(default_factory=Extent)

    @property
    def key(self) -> SiteKey:
        """What it is, on any machine."""
        return SiteKey(self.name, self.op, self.register.role)

    @property
    def span(self) -> Span | None:
        """The exact range of every result before narrowing; None if it was not measured, or nothing ran."""
        return self.extent.span

    @property
    def overflowed(self) -> bool:
        """Whether any narrowing changed a value, or anything was divided by zero."""
        return self.flags.events > 0 or self.flags.zero_divisions > 0


class Sites(dict[SiteKey, Site]):
    """Sites by key, in the order in which they first ran. `sites["fc1.forward.mac"]` is the one of that name."""

    def __missing__(self, name: object) -> Site:
        if isinstance(name, str):
            return self.named(name)
        raise KeyError(name)

    def named(self, name: str) -> Site:
        """The one site of that name. Raises UsageError if there is none, or ops of several kinds share it."""
        found = [site for site in self.values() if site.name == name]
        if not found:
            names = [repr(known) for known in dict.fromkeys(key.name for key in self)]
            shown = [*names[:8], f"{len(names) - 8} more"] if len(names) > 8 else names or ["none"]
            raise UsageError(f"no site {name!r} ran on this machine; there are {', '.join(shown)}")
        if len(found) > 1:
            kinds = ", ".join(f"{site.op} into {site.register.role.value}" for site in found)
            raise UsageError(f"site {name!r} is {len(found)} sites ({kinds}): take one from ledger.sites by its key")
        return found[0]


class Ledger:
    """The sites of a run in the order in which they first ran, and the first overflow of all.

    `ledger["fc1.forward.mac"]` is the site of that name; `sites` has them by key, and iterating gives all of them.
    left: site and time of the first wrong value or division by zero; all that ran before it is as on exact registers.
    predictions: what was predicted where predictions were scored.
    """

    def __init__(self) -> None:
        self.sites = Sites()
        self.first: Witness | None = None
        self.left: tuple[SiteKey, Clock] | None = None
        self.predictions = Predictions()

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites.values())

    def __getitem__(self, name: str) -> Site:
        """The one site of that name; see `Sites`."""
        return self.sites.named(name)

    @property
    def flags(self) -> Flags:
        """Totals over all sites."""
        return reduce(add_flags, (site.flags for site in self), CLEAN)

    @property
    def overflowed(self) -> bool:
        """Whether any site overflowed or divided by zero."""
        return any(site.overflowed for site in self)
