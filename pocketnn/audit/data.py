"""An audit as plain data for JSON, schema `pocketnn-audit/2` (schema.json beside this file describes every field)."""

from __future__ import annotations

from typing import Any

from pocketnn.arith import Flags
from pocketnn.audit.report import Outcome, Report
from pocketnn.audit.verdict import SiteVerdict
from pocketnn.machine import Clock, Witness

__all__ = ["SCHEMA", "as_data", "flags_data", "witness_data"]

SCHEMA = "pocketnn-audit/2"


def as_data(report: Report) -> dict[str, Any]:
    """The whole report as plain data."""
    return {
        "schema": SCHEMA,
        "subject": {
            "name": report.subject.name,
            "description": report.subject.description,
            "facts": dict(report.subject.facts),
        },
        "asked": report.asked.name,
        "overflowed": report.asked.overflowed,
        "runs": [_outcome_data(o) for o in (report.exact, *report.outcomes)],
        "sites": [_site_data(site, report.outcomes) for site in report.sites],
    }


def flags_data(flags: Flags) -> dict[str, int]:
    """The counts of Flags as plain data."""
    return {name: getattr(flags, name) for name in flags._fields if name != "first"}


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


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    target, scores = outcome.target, outcome.scores
    return {
        "machine": outcome.name,
        "word": target.widths.word.bits if target else None,
        "roles": {role.value: word.bits for role, word in target.widths.roles.items()} if target else {},
        "overflow": target.overflow.value if target else None,
        "emulated": outcome.emulated,
        "overflowed": outcome.overflowed,
        "scores": scores
        and {
            "test_correct": scores.test_correct,
            "test_total": scores.test_total,
            "final_train_correct": scores.final_train_correct,
            "train_total": scores.train_total,
            "loss_sums": [epoch.loss_sum for epoch in scores.epochs],
        },
        "changed_predictions": outcome.changed,
        "flags": flags_data(outcome.flags),
        "first_overflow": witness_data(outcome.first),
        "left_exact": _left_data(outcome.left),
    }


def _left_data(left: tuple[str, Clock] | None) -> dict[str, Any] | None:
    if left is None:
        return None
    site, clock = left
    return {"site": site, "phase": clock.phase, "epoch": clock.epoch, "step": clock.step}


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
        "result_bits": site.result_bits,
        "machines": {
            outcome.name: {
                "verdict": cell.verdict.value,
                "guard_bits": cell.guard_bits,
                **flags_data(cell.flags),
            }
            for cell, outcome in zip(site.cells, outcomes, strict=True)
        },
    }
