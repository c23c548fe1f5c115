"""An audit as plain data for JSON, schema `pocketnn-audit/3` (schema.json beside this file describes every field)."""

from __future__ import annotations

from typing import Any

from pocketnn.arith import MAX_BITS, MIN_BITS, Flags
from pocketnn.audit.device import device_data
from pocketnn.audit.memory import bytes_of, needs
from pocketnn.audit.report import Advice, Outcome, Report
from pocketnn.audit.sections import fitting
from pocketnn.audit.verdict import SiteVerdict
from pocketnn.machine import Clock, SiteKey, Witness

__all__ = ["SCHEMA", "as_data", "flags_data", "key_data", "outcome_data", "witness_data"]

SCHEMA = "pocketnn-audit/3"


def as_data(report: Report) -> dict[str, Any]:
    """The whole report as plain data."""
    return {
        "schema": SCHEMA,
        "subject": {
            "name": report.subject.name,
            "description": report.subject.description,
            "facts": dict(report.subject.facts),
        },
        "judged": [outcome.name for outcome in report.judged],
        "overflowed": any(outcome.overflowed for outcome in report.judged),
        "ran": report.ran,
        "recorded": str(report.recording.target) if report.recording else None,
        "part": report.part,
        "runs": [outcome_data(o) for o in (report.exact, *report.outcomes)],
        "proposal": _proposal_data(report),
        "advice": [_advice_data(advice) for advice in report.advice],
        "devices": [device_data(device) for device in report.devices],
        "certificates": [
            {"proved": proof.proved, "claim": proof.claim, "verdict": proof.verdict} for proof in report.proofs
        ],
        "sites": [_site_data(site, report) for site in report.sites],
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
        **key_data(witness.key),
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
        "overflow": register.overflow.value,
    }


def key_data(site: SiteKey) -> dict[str, str]:
    """What a site is, as plain data."""
    return {"site": site.name, "op": site.op, "role": site.role.value}


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """What one machine made of the run, as plain data."""
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


def _left_data(left: tuple[SiteKey, Clock] | None) -> dict[str, Any] | None:
    """Where a run left the exact one, as plain data; None stays None."""
    if left is None:
        return None
    site, clock = left
    return {**key_data(site), "phase": clock.phase, "epoch": clock.epoch, "step": clock.step}


def _advice_data(advice: Advice) -> dict[str, Any]:
    return {
        "machine": str(advice.on),
        **key_data(advice.site),
        "change": advice.change,
        "run": outcome_data(advice.outcome),
    }


def _proposal_data(report: Report) -> dict[str, Any] | None:
    proposal, mcu = report.proposal, report.mcu
    if proposal is None:
        return None
    memory: dict[str, Any] = {}
    for use, stored in report.subject.memory.items():
        need = needs(stored, proposal.widths)
        memory[use] = {
            "flash": need.flash,
            "ram": need.ram,
            "arrays": {
                item.what: item.elements * bytes_of(proposal.widths[item.role]) for item in stored if item.elements
            },
            "fits": [part.name for part in fitting(need)],
        }
    return {
        "bits": {role.value: bits for role, bits in proposal.bits.items()},
        "words": {role.value: proposal.widths[role].bits for role in proposal.bits},
        "confirmed": outcome_data(proposal.outcome),
        "memory": memory,
        "mcu": mcu and {name: getattr(mcu, name) for name in mcu.__dataclass_fields__},
    }


def _site_data(site: SiteVerdict, report: Report) -> dict[str, Any]:
    span, seen = site.span, report.seen
    return {
        **key_data(site.key),
        "calls": site.calls,
        "elements": site.elements,
        "ops": site.narrowings,
        "range": None if span is None else [span.lo, span.hi],
        "any_order": None if span is None else [span.least, span.most],
        "bits": site.bits,
        "result_bits": site.result_bits,
        "widths": {str(bits): site.at_width(bits).value for bits in range(MIN_BITS, MAX_BITS + 1)},
        "counts": None if seen is None or site.key not in seen.counts else seen.counts[site.key].tolist(),
        "machines": {
            outcome.name: {
                "verdict": cell.verdict.value,
                "guard_bits": cell.guard_bits,
                **flags_data(cell.flags),
                "first_overflow": witness_data(cell.first),
            }
            for cell, outcome in zip(site.cells, report.outcomes, strict=True)
        },
    }
