"""An audit as text of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterator

from pocketnn.arith import Overflow
from pocketnn.audit.answer import beside, clean, name_of, of_all, said
from pocketnn.audit.device import device_lines
from pocketnn.audit.report import Outcome, Report
from pocketnn.audit.sections import accuracy, advice_lines, proposal_lines, wrapped
from pocketnn.audit.verdict import Cell, SiteVerdict, Verdict

__all__ = ["as_text", "cell_text", "compact", "share", "when"]

_LEGEND = """\
range: exact results before narrowing. bits: the narrowest register that holds them and, for mac and
  sum, every product and partial sum in any order of summation.
+N observed safe with N guard bits; +0* safe, but another order of summation could overflow;
P+N proved by a certificate; Ca s% corrupted: a narrowings changed a value, s % of the results are
  wrong; Ta transient: values wrapped, but every final one is exact; Zn: n results divided by zero;
-N N bits short of the exact run's range, which this run, astray by then, did not reach."""
_SAME = "=exact: every range of the exact run fits this machine, so it computes the same and was not run"


def compact(number: int) -> str:
    """A count in at most 5 characters: 999, 12.3k, 4.56M."""
    if number < 1000:
        return str(number)
    exponent = min((len(str(number)) - 1) // 3, 4)
    value = number / 1000**exponent
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{'kMGT'[exponent - 1]}"


def share(part: int, whole: int) -> str:
    """A share in at most 4 characters; only none at all is 0 %, only all is 100 %."""
    if part in (0, whole):
        return "100%" if part else "0%"
    percent = round(100 * part / whole)
    return "<1%" if percent == 0 else f"{min(percent, 99)}%"


def when(phase: str, epoch: int, step: int) -> str:
    """A moment of a run in words."""
    return phase if epoch == 0 else f"{phase}, epoch {epoch}, step {step}"


def as_text(report: Report) -> Iterator[str]:
    """The lines of the table, the first overflow per failing machine, and what was reached on each."""
    mode = report.focus.target.overflow if report.focus.target else Overflow.WRAP
    shown = [i for i, o in enumerate(report.outcomes) if o.target and o.target.overflow is mode]
    yield f"{report.subject.name}: {report.subject.description}"
    yield f"counts below are of the machines that {mode.value}"
    yield ""
    yield from _site_table(report, shown)
    yield ""
    yield from _LEGEND.split("\n")
    yield ""
    yield from _firsts(report)
    yield ""
    yield (
        f"{'machine':<27}{'test accuracy':>20}{'changed':>8}{'overflows':>10}{'wrong':>7}{'x / 0':>6}{'vanished':>9}"
    )
    for outcome in (report.exact, *report.outcomes):
        yield _outcome_line(outcome)
    if not all(outcome.emulated for outcome in report.outcomes):
        yield _SAME
    yield ""
    if report.proposal or report.subject.memory:
        yield from proposal_lines(report)
        yield ""
    for proof in report.proofs:
        yield from wrapped(f"certificate: {proof.verdict} ({proof.claim})")
        yield ""
    if report.advice:
        yield from advice_lines(report)
        yield ""
    if report.devices:
        yield from device_lines(report.devices)
        yield ""
    yield from _answer(report)


def _answer(report: Report) -> Iterator[str]:
    """What is said of each machine; those that decide come last."""
    others = beside(report)
    if others:
        yield from wrapped(f"not judged: {of_all(others, report)}", indent=0)
    for outcome in report.judged:
        yield f"{name_of(outcome, report)}: {said(outcome, report)}"


def _firsts(report: Report) -> Iterator[str]:
    """Per failing machine the first overflow, and where its run left the exact one."""
    failing = [o for o in report.outcomes if o.first or o.left]
    yield "first overflow on each failing machine" if failing else f"on all machines: {clean(report)}"
    for outcome in failing:
        if outcome.first:
            yield from wrapped(f"{outcome.name}: {outcome.first}")
        if outcome.left:
            site, clock = outcome.left
            moment = when(clock.phase, clock.epoch, clock.step)
            yield from wrapped(f"{outcome.name}: left the exact run at {site.name} [{moment}]")
        else:
            yield from wrapped(f"{outcome.name}: never left the exact run: every final value is exact")
    if report.exact.first:
        yield from wrapped(
            f"the exact run overflowed its 48 bits, so ranges after it are a 48-bit machine's: {report.exact.first}"
        )


def _site_table(report: Report, shown: list[int]) -> Iterator[str]:
    """A line per site with the cells of the outcomes `shown`; a fourth machine takes the place of the ops column."""
    words = [report.outcomes[i].target.widths for i in shown]  # type: ignore[union-attr]
    recorded = report.recording.target.widths if report.recording else None
    heads = ["recorded" if w == recorded else "asked" if w.roles else f"{w.word.bits} bits" for w in words]
    wide = len(shown) <= 3
    ops, room = ("   ops", 22) if wide else ("", 17)
    yield f"{'site':<33}{ops} {'exact range':>{room}} {'bits':>4}" + "".join(f" {head:>10}" for head in heads)
    for site in report.sites:
        ops = f"{compact(site.narrowings):>6}" if wide else ""
        cells = "".join(f" {cell_text(site.cells[i], site.elements):>10}" for i in shown)
        yield f"{site.label:<33}{ops} {_range(site):>{room}} {site.bits or '':>4}{cells}"


def _range(site: SiteVerdict) -> str:
    return "" if site.span is None else f"{site.span.lo}..{site.span.hi}"


def cell_text(cell: Cell, elements: int) -> str:
    """A verdict in at most 10 characters; the legend says what they mean. elements: results of the site."""
    flags, guard = cell.flags, cell.guard_bits or 0
    match cell.verdict:
        case Verdict.CORRUPTED:
            return f"C{_short(flags.events)} {share(flags.corrupted, elements)}"
        case Verdict.TRANSIENT:
            return f"T{_short(flags.events)}"
        case Verdict.ZERO_DIVISION:
            return f"Z{compact(flags.zero_divisions)}"
        case Verdict.PROVED:
            return f"P{guard:+d}"
        case Verdict.SAFE if guard < 0:
            return "+0*"
        case _:
            return f"{guard:+d}"


def _short(number: int) -> str:
    """A count in at most 4 characters, for a table cell."""
    text = compact(number)
    return text if len(text) <= 4 else f"{float(text[:-1]):.0f}{text[-1]}"


def _outcome_line(outcome: Outcome) -> str:
    flags = outcome.flags
    changed = "-" if outcome.changed is None else str(outcome.changed)
    same = "" if outcome.emulated else " =exact"
    return (
        f"{outcome.name:<27}{accuracy(outcome):>20}{changed:>8}{compact(flags.events):>10}{compact(flags.corrupted):>7}"
        f"{compact(flags.zero_divisions):>6}{compact(flags.vanished):>9}{same}"
    )
