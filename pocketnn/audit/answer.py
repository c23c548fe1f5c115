"""The answer of an audit: what is said of each machine, of what it is said, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from pocketnn.audit.report import Outcome, Report
from pocketnn.errors import CorruptError

__all__ = ["beside", "clean", "exit_code", "name_of", "of_all", "said"]


def clean(report: Report) -> str:
    """What is said where nothing overflowed: that, or that nothing ran; and which part of a run was seen, if a part."""
    found = "no overflow" if report.ran else "NOTHING JUDGED, for no op ran"
    return f"{found} ({report.part})" if report.part else found


def said(outcome: Outcome, report: Report) -> str:
    """What is said of one machine."""
    return "OVERFLOWS" if outcome.overflowed else clean(report)


def name_of(outcome: Outcome, report: Report) -> str:
    """The machine, and whether it is the one that was recorded."""
    recorded = report.recording is not None and outcome.target == report.recording.target
    return f"{outcome.name}, as recorded" if recorded else outcome.name


def beside(report: Report) -> list[Outcome]:
    """The machines of the focus's overflow mode that do not decide the verdict; none where nothing ran."""
    mode = report.focus.target.overflow if report.focus.target else None
    outcomes = report.outcomes if report.ran else ()
    return [o for o in outcomes if o.target and o.target.overflow is mode and o not in report.judged]


def of_all(outcomes: Sequence[Outcome], report: Report) -> str:
    """What is said of several machines, in one line."""
    return "; ".join(f"{name_of(outcome, report)}: {said(outcome, report)}" for outcome in outcomes)


def exit_code(report: Report, fail_on: str) -> int:
    """3 if a certificate is refused; else 1 if a judged machine fails; else 4 if the audit saw a part of a run alone; 1
    if nothing ran; else 0.

    fail_on: "any", "corrupted" or "none", what makes a machine fail; by "none" none does, and a run may be empty.
    """
    if any(proof.refused for proof in report.proofs):
        return CorruptError.exit_code
    if fail_on != "none" and any(_fails(outcome, fail_on) for outcome in report.judged):
        return 1
    if report.part:
        return 4
    return 0 if report.ran or fail_on == "none" else 1


def _fails(outcome: Outcome, fail_on: str) -> bool:
    return outcome.wrong if fail_on == "corrupted" else outcome.overflowed
