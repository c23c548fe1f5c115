"""Overflow audits: what overflowed, where, how often, with which operands, and what width each site needs."""

from pocketnn.audit.report import Outcome, Report, audit_training
from pocketnn.audit.text import as_data, as_text
from pocketnn.audit.verdict import Cell, SiteVerdict, Target, certified, judge

__all__ = [
    "Cell",
    "Outcome",
    "Report",
    "SiteVerdict",
    "Target",
    "as_data",
    "as_text",
    "audit_training",
    "certified",
    "judge",
]
