"""pocketnn: emulate integer-only neural networks bit for bit, and see where they overflow."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pocketnn.trace import record

__all__ = ["__version__", "audit", "record"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`record` and `audit`, imported only when asked for: `python -m pocketnn` sets up NumPy's threads first."""
    if name == "record":
        from pocketnn.trace import record

        return record
    if name == "audit":
        return import_module("pocketnn.audit")
    raise AttributeError(f"module 'pocketnn' has no attribute {name!r}")
