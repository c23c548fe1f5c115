"""An audit as one self-contained HTML page: no scripts or fonts from elsewhere, readable on a phone, printable."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from itertools import groupby
from typing import Any

from pocketnn import __version__
from pocketnn.arith import MAX_BITS, MIN_BITS
from pocketnn.audit import chart
from pocketnn.audit.answer import beside, clean, name_of, of_all, said
from pocketnn.audit.device import device_rows
from pocketnn.audit.memory import bytes_of, needs
from pocketnn.audit.report import Outcome, Report
from pocketnn.audit.sections import accuracy, fitting, kilobytes
from pocketnn.audit.text import cell_text, compact, share, when
from pocketnn.audit.verdict import Cell, SiteVerdict, Verdict
from pocketnn.errors import UsageError
from pocketnn.machine import SiteKey

__all__ = ["KINDS", "as_html", "check_library"]

KINDS = {
    Verdict.PROVED: "proved",
    Verdict.SAFE: "safe",
    Verdict.TRANSIENT: "transient",
    Verdict.CORRUPTED: "corrupted",
    Verdict.ZERO_DIVISION: "zero",
    Verdict.UNREACHED: "unreached",
}


def as_html(report: Report) -> str:
    """The page. Raises UsageError if the template library of the extra `report` is missing.

    Everything that comes from outside (names, descriptions) is escaped by the template library; the pictures are made
    of numbers and of this package's own words alone.
    """
    jinja2, markup = check_library()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("pocketnn.audit").joinpath("report.html.j2").read_text(encoding="utf-8"))
    style = files("pocketnn.audit").joinpath("report.css").read_text(encoding="utf-8")
    page: str = template.render(style=markup(style), **_context(report, markup))
    return page


def check_library() -> tuple[Any, Any]:
    """The template library and its mark for text that is safe as it is; to be called before a long run as well.

    Raises UsageError if it is missing, or the library that draws.
    """
    try:
        import jinja2
        from markupsafe import Markup  # jinja2's own dependency

        if find_spec("matplotlib") is None:  # to be imported when the run is over: it takes half a second
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    except ImportError as error:
        raise UsageError(f"the HTML report needs {error.name}: pip install 'pocketnn[report]'") from error
    return jinja2, Markup


def _context(report: Report, safe: Any) -> dict[str, Any]:
    words = sorted({o.target.widths.word.bits for o in report.outcomes if o.target})
    sites = [_site(site, report, words, safe) for site in report.sites]
    return {
        "version": __version__,
        "marks": [((word - MIN_BITS) / (MAX_BITS + 1 - MIN_BITS), word) for word in words],
        "subject": report.subject,
        "focus": _outcome(report.focus, report),
        "judged": [_outcome(outcome, report) for outcome in report.judged],
        "beside": of_all(beside(report), report),
        "overflowed": any(outcome.overflowed for outcome in report.judged),
        "corrupted": any(outcome.wrong for outcome in report.judged),
        "ran": report.ran,
        "part": report.part,
        "clean": clean(report),
        "exact": _outcome(report.exact, report),
        "outcomes": [_outcome(outcome, report) for outcome in report.outcomes],
        "sites": sites,
        # the judged machines first: what decides stands on top
        "loud": sorted((site for site in sites if site["loud"]), key=lambda site: not site["judged"]),
        "quiet": [site for site in sites if not site["loud"]],
        "observed": report.seen is not None,
        "proposal": _proposal(report),
        "proofs": [
            (proof, [(text, safe(chart.image(pixels))) for text, pixels in proof.images]) for proof in report.proofs
        ],
        "devices": device_rows(report.devices),
        "advice": [(advice.change, _outcome(advice.outcome, report)) for advice in report.advice],
    }


def _outcome(outcome: Outcome, report: Report) -> dict[str, Any]:
    scores, left = outcome.scores, outcome.left
    first = outcome.first.key if outcome.first else left and left[0]
    called = {site.key: site.label for site in report.sites}
    percent = 100 * scores.test_correct / scores.test_total if scores and scores.test_total else None
    return {
        "name": outcome.name,
        "title": name_of(outcome, report),
        "said": said(outcome, report),
        "overflowed": outcome.overflowed,
        "accuracy": accuracy(outcome),
        "percent": percent,
        "changed": outcome.changed,
        "overflows": compact(outcome.flags.events),
        "wrong": compact(outcome.flags.corrupted),
        "zero": compact(outcome.flags.zero_divisions),
        "vanished": compact(outcome.flags.vanished),
        "kind": "corrupted"
        if outcome.flags.corrupted or outcome.flags.zero_divisions
        else "transient"
        if outcome.overflowed
        else "safe",
        "emulated": outcome.emulated,
        "first": str(outcome.first) if outcome.first else None,
        "first_site": first and called.get(first, str(first)),  # advice may run sites that the exact run has not
        "first_anchor": first and _anchor(first),
        "left": f"{left[0].name} ({when(left[1].phase, left[1].epoch, left[1].step)})" if left else None,
    }


def _site(site: SiteVerdict, report: Report, words: list[int], safe: Any) -> dict[str, Any]:
    span, seen, target = site.span, report.seen, report.focus.target
    word = target.widths[site.role].bits if target else words[0]
    counts = seen.counts.get(site.key) if seen else None
    cells = list(zip(site.cells, report.outcomes, strict=True))
    moving = seen is not None and len(seen.buckets.get(site.key, ())) > 1
    return {
        "name": site.label,
        "id": _anchor(site.key),
        "op": site.op,
        "role": site.role.value,
        "elements": compact(site.elements),
        "range": _range(span.lo, span.hi) if span else "never ran",
        "any_order": _range(span.least, span.most) if span and span[:2] != span[2:] else None,
        "bits": site.bits,
        "ladder": _ladder(site) if site.bits else None,
        "cells": [_cell(cell, site, outcome) for cell, outcome in cells],
        "judged": any(_loud(cell) for cell, outcome in cells if outcome in report.judged),
        "firsts": [(outcome.name, str(cell.first)) for cell, outcome in cells if cell.first],
        "loud": any(_loud(cell) for cell in site.cells),
        "histogram": safe(chart.histogram(counts, site.bits, word)) if counts is not None and site.bits else None,
        "course": safe(chart.course(seen, site.key, word)) if seen and moving else None,
    }


def _anchor(site: SiteKey) -> str:
    """The name of a site's card in the page; ops and roles have no hyphen, so no two sites share one."""
    return f"site-{site.name}-{site.op}-{site.role.value}"


def _range(lo: int, hi: int) -> str:
    return f"{lo:,}" if lo == hi else f"{lo:,} to {hi:,}"


def _ladder(site: SiteVerdict) -> list[tuple[str, int, str]]:
    """All widths from 2 to 48 bits, as the exact run judges them: kind, how many widths, and which."""
    strips = []
    for verdict, group in groupby(range(MIN_BITS, MAX_BITS + 1), site.at_width):
        widths = list(group)
        strips.append((KINDS[verdict], len(widths), f"{widths[0]} to {widths[-1]} bits: {verdict.value}"))
    return strips


def _loud(cell: Cell) -> bool:
    """Whether the site overflowed or divided by zero there."""
    return cell.flags.events > 0 or cell.flags.zero_divisions > 0


def _cell(cell: Cell, site: SiteVerdict, outcome: Outcome) -> dict[str, Any]:
    flags = cell.flags
    detail = f"{site.label} on {outcome.name}: {cell.verdict.value}"
    if flags.events or flags.zero_divisions:
        detail += (
            f"; {flags.events:,} overflows in {flags.elements:,} of {site.elements:,} results, "
            f"{flags.corrupted:,} wrong ({share(flags.corrupted, site.elements)}), "
            f"{flags.zero_divisions:,} divided by zero"
        )
    elif cell.guard_bits is not None:
        detail += f"; {cell.guard_bits:+d} bits"
    return {"text": cell_text(cell, site.elements), "kind": KINDS[cell.verdict], "detail": detail}


def _proposal(report: Report) -> dict[str, Any] | None:
    proposal = report.proposal
    if proposal is None:
        return None
    widths = proposal.widths
    memory = []
    for use, stored in report.subject.memory.items():
        need = needs(stored, widths)
        arrays = [
            (item.what, "flash" if item.flash else "RAM", kilobytes(item.elements * bytes_of(widths[item.role])))
            for item in stored
            if item.elements
        ]
        fits = [part.name for part in fitting(need)]
        sizes = {"flash": kilobytes(need.flash), "ram": kilobytes(need.ram)}
        memory.append({"use": use, "arrays": arrays, "fits": fits, **sizes})
    return {
        "roles": [(role.value, bits, widths[role].bits) for role, bits in proposal.bits.items()],
        "confirmed": _outcome(proposal.outcome, report),
        "overflowed": proposal.outcome.overflowed,
        "memory": memory,
        "mcu": report.mcu,
    }
