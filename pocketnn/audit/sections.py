"""Parts of the text of an audit that speak of what to do: the word-length proposal and the microcontrollers it fits."""

from __future__ import annotations

from collections.abc import Iterator

from pocketnn.audit.answer import clean
from pocketnn.audit.mcu import MCUS, Mcu
from pocketnn.audit.memory import Need, needs
from pocketnn.audit.report import Outcome, Proposal, Report

__all__ = ["accuracy", "advice_lines", "fitting", "kilobytes", "proposal_lines", "share_right", "wrapped"]


def wrapped(text: str, indent: int = 2) -> Iterator[str]:
    """Lines of at most 98 columns after the indent, which is 2 more from the second line on; a longer word is cut."""
    room, spaces = 98, " " * indent
    while len(text) > room:
        cut = text.rfind(" ", 1, room)
        end, text = (text[:cut], text[cut + 1 :]) if cut > 0 else (text[:room], text[room:])
        yield spaces + end
        spaces = " " * (indent + 2)
    yield spaces + text


def accuracy(outcome: Outcome) -> str:
    """Correct test predictions as a share and as a count; a dash where nothing is predicted."""
    scores = outcome.scores
    if scores is None or not scores.test_total:
        return "-"
    return share_right(scores.test_correct, scores.test_total)


def share_right(correct: int, total: int) -> str:
    """Correct predictions as a share and as a count."""
    return f"{100 * correct / total:.2f} % ({correct}/{total})"


def kilobytes(count: int) -> str:
    """Bytes in units of 1024."""
    return f"{count} B" if count < 1024 else f"{count / 1024:.1f} KiB"


def fitting(need: Need) -> list[Mcu]:
    """The microcontrollers of the table that have so much flash and RAM."""
    return [mcu for mcu in MCUS if need.flash <= mcu.flash and need.ram <= mcu.ram]


def proposal_lines(report: Report) -> Iterator[str]:
    """The narrowest registers per role, what a run on them reached, and the memory that they take."""
    proposal = report.proposal
    if proposal is None:
        why = "the exact run divided by zero or needs more than 48 bits" if report.ran else "no op ran"
        yield f"no word-length proposal: {why}"
        return
    yield "narrowest registers that hold this run, in any order of summation: bits needed, and the C type"
    roles = [f"{role.value} {bits} (int{_c_type(proposal.widths[role].bits)})" for role, bits in proposal.bits.items()]
    yield from wrapped(", ".join(roles))
    yield from wrapped(f"confirmed by a run on these C types: {_confirmation(report, proposal)}")
    for use, stored in report.subject.memory.items():
        need = needs(stored, proposal.widths)
        yield from wrapped(
            f"{use}: {kilobytes(need.flash)} of flash for data, {kilobytes(need.ram)} of RAM; {_fits(need, report.mcu)}"
        )
    if report.mcu:
        yield from wrapped(_registers(proposal, report.mcu))


def _registers(proposal: Proposal, mcu: Mcu) -> str:
    """What of the proposal takes more than one CPU register, and whether the CPU can saturate."""
    wide = [role.value for role in proposal.bits if proposal.widths[role].bits > mcu.register]
    several = f"values of {', '.join(wide)} take more than one" if wide else "every value fits one"
    saturating = {"none": "no saturating instructions"}.get(mcu.saturating, f"saturating instructions {mcu.saturating}")
    return f"{mcu.name} is {mcu.core}, {saturating}; its registers have {mcu.register} bits: {several}"


def advice_lines(report: Report) -> Iterator[str]:
    """Per kind of change the smallest that makes the site fit that breaks first."""
    if not report.advice:
        return
    yield f"single changes that make {report.advice[0].site.name} fit {report.advice[0].on}, each run"
    yield f"  {'change':<48}{'test accuracy':>20}{'changed':>9}  {'first overflow then':<19}"
    for advice in report.advice:
        outcome = advice.outcome
        changed = "-" if outcome.changed is None else str(outcome.changed)
        then = outcome.first.site if outcome.first else "none"
        yield f"  {advice.change:<48}{accuracy(outcome):>20}{changed:>9}  {then}"


def _c_type(bits: int) -> int:
    return 64 if bits > 32 else bits


def _confirmation(report: Report, proposal: Proposal) -> str:
    outcome = proposal.outcome
    same = outcome.scores == report.exact.scores and not outcome.changed
    overflow = "overflows, first at " + str(outcome.first) if outcome.overflowed else clean(report)
    reached = (
        "" if accuracy(outcome) == "-" else f"{accuracy(outcome)}, {'the same as' if same else 'not'} the exact run"
    )
    return f"{overflow}{', ' if reached else ''}{reached}"


def _fits(need: Need, mcu: Mcu | None) -> str:
    if mcu is None:
        names = [part.name for part in fitting(need)]
        return f"fits {', '.join(names)}" if names else "fits no microcontroller of the table"
    lacking = [
        f"{kilobytes(wanted - has)} of {what} missing"
        for what, wanted, has in (("flash", need.flash, mcu.flash), ("RAM", need.ram, mcu.ram))
        if wanted > has
    ]
    return f"{mcu.name} ({kilobytes(mcu.flash)} flash, {kilobytes(mcu.ram)} RAM): " + (
        ", ".join(lacking) if lacking else "fits"
    )
