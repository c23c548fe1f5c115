"""An audit as SARIF 2.1.0, for code scanning: a result per site that fails on the machine asked for.

SARIF: Static Analysis Results Interchange Format, OASIS Standard 2.1.0 (27 March 2020). A site is a place in the
program as it ran, not a line of a file, so it is a logical location; for code-scanning services that insist on a file
the name of what was audited stands as one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pocketnn import __version__
from pocketnn.audit.report import Report
from pocketnn.audit.text import share
from pocketnn.audit.verdict import Cell, SiteVerdict, Verdict

__all__ = ["as_sarif"]

_RULES = {
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


def as_sarif(report: Report) -> dict[str, Any]:
    """The sites that fail on the machine asked for, as a SARIF log."""
    column = report.outcomes.index(report.asked)
    rules = list(_RULES)
    results = [
        _result(site, site.cells[column], report, rules.index(site.cells[column].verdict))
        for site in report.sites
        if site.cells[column].verdict in _RULES
    ]
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
            for name, level, short, full in _RULES.values()
        ],
    }
    return {
        "version": "2.1.0",
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(site: SiteVerdict, cell: Cell, report: Report, rule: int) -> dict[str, Any]:
    name, level, _, _ = _RULES[cell.verdict]
    return {
        "ruleId": name,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": _message(site, cell, report)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(report.subject.name)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": site.label, "kind": "function"}],
            }
        ],
        "partialFingerprints": {"siteAndMachine/v2": f"{site.key} {report.asked.name}"},
    }


def _message(site: SiteVerdict, cell: Cell, report: Report) -> str:
    flags = cell.flags
    text = f"{site.label} on a {report.asked.name} machine: {cell.verdict.value}"
    if flags.events:
        text += f"; {flags.events} overflows, {flags.corrupted} of {site.elements} results wrong "
        text += f"({share(flags.corrupted, site.elements)})"
    if flags.zero_divisions:
        text += f"; {flags.zero_divisions} divisions by zero"
    if site.bits is not None:
        text += f"; the exact run needs {site.bits} bits"
    return f"{text}. First overflow: {cell.first}" if cell.first else f"{text}."
