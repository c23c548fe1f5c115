"""An audit as SARIF 2.1.0, for code scanning: a result per site and judged machine on which it fails.

An audit that saw a part of a run alone, or in which nothing ran, has a result that says so: it is not clean.

SARIF: Static Analysis Results Interchange Format, OASIS Standard 2.1.0 (27 March 2020). A site is a place in the
program as it ran, not a line of a file, so it is a logical location; for code-scanning services that insist on a file
the name of what was audited stands as one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pocketnn import __version__
from pocketnn.audit.answer import of_all
from pocketnn.audit.report import Outcome, Report
from pocketnn.audit.text import share
from pocketnn.audit.verdict import Cell, SiteVerdict, Verdict

__all__ = ["as_sarif"]

_RULES: dict[Verdict, tuple[str, str, str, str]] = {
    Verdict.CORRUPTED: (
        "corrupted",
        "error",
        "Overflow with wrong results",
        "Some final values are wrong.",
    ),
    Verdict.ZERO_DIVISION: ("zero-division", "error", "Division by zero", "Its result is not defined."),
    Verdict.TRANSIENT: (
        "transient",
        "warning",
        "Overflow that wraps back",
        "Values wrapped, but every final value of the site is exact.",
    ),
    Verdict.UNREACHED: (
        "not-reached",
        "note",
        "Too narrow for the exact run",
        "The exact run needs more bits here; this machine had left it before.",
    ),
}


_INCOMPLETE = ("incomplete", "warning", "Not all was seen", "The audit saw a part of the run alone, or nothing ran.")


def as_sarif(report: Report) -> dict[str, Any]:
    """The sites that fail on the judged machines, as a SARIF log."""
    results = [
        _result(site, cell, outcome, report)
        for outcome in report.judged
        for site in report.sites
        if (cell := site.cells[report.outcomes.index(outcome)]).verdict in _RULES
    ]
    if report.part or not report.ran:
        text = f"{report.subject.name}: {of_all(report.judged, report)}"
        results.append(_entry(_INCOMPLETE, text, report, f"incomplete {report.subject.name}"))
    driver = {
        "name": "pocketnn audit",
        "version": __version__,
        "rules": [
            {
                "id": name,
                "shortDescription": {"text": short},
                "fullDescription": {"text": full},
                "defaultConfiguration": {"level": level},
            }
            for name, level, short, full in (*_RULES.values(), _INCOMPLETE)
        ],
    }
    return {
        "version": "2.1.0",
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(site: SiteVerdict, cell: Cell, outcome: Outcome, report: Report) -> dict[str, Any]:
    entry = _entry(_RULES[cell.verdict], _message(site, cell, outcome), report, f"{site.key} {outcome.name}")
    entry["locations"][0]["logicalLocations"] = [{"fullyQualifiedName": site.label, "kind": "function"}]
    return entry


def _entry(rule: tuple[str, str, str, str], text: str, report: Report, fingerprint: str) -> dict[str, Any]:
    name, level, _, _ = rule
    return {
        "ruleId": name,
        "ruleIndex": [*_RULES.values(), _INCOMPLETE].index(rule),
        "level": level,
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(report.subject.name)},
                    "region": {"startLine": 1},
                },
            }
        ],
        "partialFingerprints": {"siteAndMachine/v2": fingerprint},
    }


def _message(site: SiteVerdict, cell: Cell, outcome: Outcome) -> str:
    flags = cell.flags
    text = f"{site.label} on a {outcome.name} machine: {cell.verdict.value}"
    if flags.events:
        text += f"; {flags.events} overflows, {flags.corrupted} of {site.elements} results wrong "
        text += f"({share(flags.corrupted, site.elements)})"
    if flags.zero_divisions:
        text += f"; {flags.zero_divisions} divisions by zero"
    if site.bits is not None:
        text += f"; the exact run needs {site.bits} bits"
    return f"{text}. First overflow: {cell.first}" if cell.first else f"{text}."
