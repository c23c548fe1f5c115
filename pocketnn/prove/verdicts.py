"""What certificates say to an audit: for each machine, the sites that cannot overflow whatever the data."""

from __future__ import annotations

from pocketnn.arith import Interval
from pocketnn.audit.source import Evaluation, Source, Training
from pocketnn.audit.verdict import Proved, Target, never_proved
from pocketnn.machine import Machine
from pocketnn.prove import inference, training
from pocketnn.prove.certificate import Program

__all__ = ["proved_by", "safe_sites"]


def proved_by(source: Source, inputs: tuple[int, int] = (0, 255)) -> Proved:
    """Whether no pixels within `inputs` can make a site of `source` overflow on a target; no for recorded programs."""
    match source:
        case Training():
            dataset = source.dataset
            program: Program = training.Training(source.recipe, dataset.pixels, dataset.classes, inputs).run
        case Evaluation() if not source.saved.architecture.batch_norm:  # whose last batch may be a short one
            program = inference.program_of(source.saved, inputs)
        case _:
            return never_proved

    known: dict[str, frozenset[str]] = {}

    def proved(target: Target, site: str) -> bool:
        name = str(target)
        if name not in known:
            known[name] = safe_sites(program, target)
        return site in known[name]

    return proved


def safe_sites(program: Program, target: Target) -> frozenset[str]:
    """The sites at which nothing can overflow or be divided by zero on `target`.

    Also those that come after others which can: ranges cover what a register holds after an overflow, too. All that
    counts for more than one step is that the invariants hold again; if they do not, nothing is proved.
    """
    machine = Machine(Interval(), target.widths, target.overflow)
    for before, after in program(machine).values():
        (lo, hi), (least, most) = before.ends(), after.ends()
        if least < lo or hi < most:
            return frozenset()
    return frozenset(site.name for site in machine.ledger if not site.overflowed)
