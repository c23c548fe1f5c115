"""An audit as text of at most 100 columns, and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketnn.arith import Overflow
from pocketnn.audit.report import Outcome, Report
from pocketnn.audit.verdict import Cell, SiteVerdict
from pocketnn.machine import Witness

__all__ = ["SCHEMA", "as_data", "as_text", "compact", "witness_data"]

SCHEMA = "pocketnn-audit/1"

_LEGEND = """\
range: exact results before narrowing. bits: the narrowest register that holds them and, for mac and
  sum, every product and partial sum in any order of summation.
+N fits with N guard bits; +0* fits, but another order of summation could overflow;
-N N bits short of the exact run's range, which this run, astray by then, did not reach;
Ca/b corrupted: a narrowings changed a value, in b elements, not all of them exact in the end;
Ta/b transient: the same, but every final value is exact; Zn: n elements divided by zero."""
_SAME = "=exact: every range of the exact run fits this machine, so it computes the same and was not run"


def compact(number: int) -> str:
    """A count in at most 5 characters: 999, 12.3k, 4.56M."""
    if number < 1000:
        return str(number)
    exponent = min((len(str(number)) - 1) // 3, 4)
    value = number / 1000**exponent
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{'kMGT'[exponent - 1]}"


def as_text(report: Report) -> Iterator[str]:
    """The lines of the table, the first overflow per failing machine, and the accuracy reached on each."""
    mode = report.asked.target.overflow if report.asked.target else Overflow.WRAP
    shown = [i for i, o in enumerate(report.outcomes) if o.target and o.target.overflow is mode]
    run = report.exact.run
    recipe = report.recipe
    dims = "-".join(map(str, (report.dataset.pixels, *recipe.hidden, report.dataset.classes)))
    yield (
        f"{report.dataset.name}: {run.train_total} training and {run.test_total} test images, "
        f"{dims} {recipe.activation} by {recipe.algorithm}, {recipe.epochs} epochs"
    )
    yield f"counts below are of the machines that {mode.value}"
    yield ""
    yield from _site_table(report, shown)
    yield ""
    yield from _LEGEND.split("\n")
    yield ""
    failing = [o for o in report.outcomes if o.first]
    yield "first overflow on each failing machine" if failing else "no machine overflowed"
    for outcome in failing:
        yield from _wrapped(f"{outcome.target}: {outcome.first}")
    if report.exact.first:
        yield from _wrapped(
            f"the exact run overflowed its 48 bits, so ranges after it are a 48-bit machine's: {report.exact.first}"
        )
    yield ""
    yield (
        f"{'machine':<27}{'test accuracy':>21}{'overflows':>10}{'elements':>9}{'corrupted':>10}"
        f"{'x / 0':>6}{'vanished':>9}"
    )
    for outcome in (report.exact, *report.outcomes):
        yield _outcome_line(outcome)
    if not all(outcome.emulated for outcome in report.outcomes):
        yield _SAME
    yield ""
    asked = report.asked
    verdict = "OVERFLOWS" if asked.overflowed else "no overflow"
    yield f"{asked.target}: {verdict}"


def _site_table(report: Report, shown: list[int]) -> Iterator[str]:
    """A line per site with the cells of the outcomes `shown`; a fourth machine takes the place of the ops column."""
    words = [report.outcomes[i].target.widths for i in shown]  # type: ignore[union-attr]
    heads = ["asked" if w.roles else f"{w.word.bits} bits" for w in words]
    wide = len(shown) <= 3
    ops, room = ("   ops", 22) if wide else ("", 17)
    yield f"{'site':<33}{ops} {'exact range':>{room}} {'bits':>4}" + "".join(f" {head:>10}" for head in heads)
    for site in report.sites:
        ops = f"{compact(site.narrowings):>6}" if wide else ""
        cells = "".join(f" {_cell(site.cells[i]):>10}" for i in shown)
        yield f"{site.site:<33}{ops} {_range(site):>{room}} {site.bits or '':>4}{cells}"


def _range(site: SiteVerdict) -> str:
    return "" if site.span is None else f"{site.span.lo}..{site.span.hi}"


def _cell(cell: Cell) -> str:
    flags = cell.flags
    if cell.kind in ("fits", "short"):
        return f"{cell.guard_bits or 0:+d}"
    if cell.kind == "fits-in-order":
        return "+0*"
    if cell.kind == "zero-division":
        return f"Z{compact(flags.zero_divisions)}"
    return f"{cell.kind[0].upper()}{_short(flags.events)}/{_short(flags.elements)}"


def _short(number: int) -> str:
    """A count in at most 4 characters, for a table cell."""
    text = compact(number)
    return text if len(text) <= 4 else f"{float(text[:-1]):.0f}{text[-1]}"


def _outcome_line(outcome: Outcome) -> str:
    run, flags = outcome.run, outcome.flags
    share = f"{100 * run.test_correct / run.test_total:.2f} % ({run.test_correct}/{run.test_total})"
    name = str(outcome.target) if outcome.target else "exact"
    same = "" if outcome.emulated else " =exact"
    return (
        f"{name:<27}{share:>21}{compact(flags.events):>10}{compact(flags.elements):>9}"
        f"{compact(flags.corrupted):>10}{compact(flags.zero_divisions):>6}{compact(flags.vanished):>9}{same}"
    )


def _wrapped(text: str, width: int = 98) -> Iterator[str]:
    indent = "  "
    while len(text) > width:
        cut = text.rfind(" ", 0, width)
        yield indent + text[:cut]
        text, indent = text[cut + 1 :], "    "
    yield indent + text


def witness_data(witness: Witness | None) -> dict[str, Any] | None:
    """A witness as plain data; None stays None."""
    if witness is None:
        return None
    narrowing, register = witness.narrowing, witness.register
    return {
        "site": witness.site,
        "op": witness.op,
        "phase": witness.phase,
        "epoch": witness.epoch,
        "step": witness.step,
        "element": list(witness.element),
        "k": narrowing.k,
        "stage": narrowing.stage,
        "operands": list(narrowing.operands),
        "accumulator_before": narrowing.before,
        "exact": narrowing.exact,
        "stored": narrowing.stored,
        "word": register.word.bits,
        "role": register.role.value,
        "overflow": register.overflow.value,
    }


def as_data(report: Report) -> dict[str, Any]:
    """The whole report as plain data, schema `pocketnn-audit/1`."""
    return {
        "schema": SCHEMA,
        "data": report.dataset.name,
        "asked": str(report.asked.target),
        "overflowed": report.asked.overflowed,
        "runs": [_outcome_data(o) for o in (report.exact, *report.outcomes)],
        "sites": [_site_data(site, report.outcomes) for site in report.sites],
    }


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    return {
        "machine": str(outcome.target) if outcome.target else "exact",
        "emulated": outcome.emulated,
        "overflowed": outcome.overflowed,
        "test_correct": run.test_correct,
        "test_total": run.test_total,
        "final_train_correct": run.final_train_correct,
        "train_total": run.train_total,
        "loss_sums": [epoch.loss_sum for epoch in run.epochs],
        "flags": flags_data(outcome.flags),
        "first_overflow": witness_data(outcome.first),
    }


def flags_data(flags: Any) -> dict[str, int]:
    """The counts of Flags as plain data."""
    return {name: getattr(flags, name) for name in flags._fields if name != "first"}


def _site_data(site: SiteVerdict, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
    span = site.span
    return {
        "site": site.site,
        "op": site.op,
        "role": site.role.value,
        "calls": site.calls,
        "elements": site.elements,
        "ops": site.narrowings,
        "range": None if span is None else [span.lo, span.hi],
        "any_order": None if span is None else [span.least, span.most],
        "bits": site.bits,
        "machines": {
            str(outcome.target): {
                "verdict": cell.kind,
                "guard_bits": cell.guard_bits,
                **flags_data(cell.flags),
            }
            for cell, outcome in zip(site.cells, outcomes, strict=True)
        },
    }
