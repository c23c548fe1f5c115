"""Overflow audits: what overflowed, where, how often, with which operands, and what width each site needs.

The package can be called: `with pocketnn.audit(word=16) as audit:` is `live_audit`.
"""

import sys
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from pocketnn.audit.data import SCHEMA, as_data
from pocketnn.audit.html import as_html
from pocketnn.audit.live import LiveAudit, assert_no_overflow, live_audit
from pocketnn.audit.report import Advice, Evidence, Outcome, Proposal, Report, Subject, build_report
from pocketnn.audit.run import audit_source, audit_training
from pocketnn.audit.source import Evaluation, Source, Training
from pocketnn.audit.text import as_text
from pocketnn.audit.verdict import Cell, SiteVerdict, Target, Verdict, certified, judge

__all__ = [
    "SCHEMA",
    "Advice",
    "Cell",
    "Evaluation",
    "Evidence",
    "LiveAudit",
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
    "assert_no_overflow",
    "audit_source",
    "audit_training",
    "build_report",
    "certified",
    "judge",
    "live_audit",
]


class _Callable(ModuleType):
    """A package that `import pocketnn` users call like a function; the data model allows a module's class to be set."""

    def __call__(self, *args: Any, **options: Any) -> AbstractContextManager[LiveAudit]:
        return live_audit(*args, **options)


sys.modules[__name__].__class__ = _Callable
