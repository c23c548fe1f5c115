"""Overflow audits: what overflowed, where, how often, with which operands, and what width each site needs."""

from pocketnn.audit.data import SCHEMA, as_data
from pocketnn.audit.html import as_html
from pocketnn.audit.report import Evidence, Outcome, Proposal, Report, Subject, build_report
from pocketnn.audit.source import Evaluation, Source, Training, audit_source, audit_training
from pocketnn.audit.text import as_text
from pocketnn.audit.verdict import Cell, SiteVerdict, Target, Verdict, certified, judge

__all__ = [
    "SCHEMA",
    "Cell",
    "Evaluation",
    "Evidence",
    "Outcome",
    "Proposal",
    "Report",
    "SiteVerdict",
    "Source",
    "Subject",
    "Target",
    "Training",
    "Verdict",
    "as_data",
    "as_html",
    "as_text",
    "audit_source",
    "audit_training",
    "build_report",
    "certified",
    "judge",
]
