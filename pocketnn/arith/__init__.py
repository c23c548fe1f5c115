"""Signed two's-complement register arithmetic: words, ops, and backends that execute them.

Names are imported when they are first asked for, so whoever needs the op table alone loads nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as in _HOMES
    from pocketnn.arith.backend import Around, Backend, Outcome, Values, as_integers
    from pocketnn.arith.extent import Extent, measured, settled, span_of, spans_of
    from pocketnn.arith.flags import CLEAN, OWN_RANGE, Flags, OwnRange, Span, Terms, add_flags, merge_spans
    from pocketnn.arith.interval import Interval
    from pocketnn.arith.lockstep import Lockstep, Pair
    from pocketnn.arith.native import Native
    from pocketnn.arith.ops import OPS, Op, Tensor
    from pocketnn.arith.ranges import Partition, Ranges
    from pocketnn.arith.reference import Narrowing, Reference, narrowings, plain
    from pocketnn.arith.semantics import SEMANTICS, op_table_digest
    from pocketnn.arith.vector import Vector
    from pocketnn.arith.word import INT8, INT16, INT32, MAX_BITS, MIN_BITS, Overflow, Register, Role, Word, fit

__all__ = [
    "CLEAN",
    "INT8",
    "INT16",
    "INT32",
    "MAX_BITS",
    "MIN_BITS",
    "OPS",
    "OWN_RANGE",
    "SEMANTICS",
    "Around",
    "Backend",
    "Extent",
    "Flags",
    "Interval",
    "Lockstep",
    "Narrowing",
    "Native",
    "Op",
    "Outcome",
    "Overflow",
    "OwnRange",
    "Pair",
    "Partition",
    "Ranges",
    "Reference",
    "Register",
    "Role",
    "Span",
    "Tensor",
    "Terms",
    "Values",
    "Vector",
    "Word",
    "add_flags",
    "as_integers",
    "fit",
    "measured",
    "merge_spans",
    "narrowings",
    "op_table_digest",
    "plain",
    "settled",
    "span_of",
    "spans_of",
]

_HOMES = {
    "backend": ("Around", "Backend", "Outcome", "Values", "as_integers"),
    "extent": ("Extent", "measured", "settled", "span_of", "spans_of"),
    "flags": ("CLEAN", "OWN_RANGE", "Flags", "OwnRange", "Span", "Terms", "add_flags", "merge_spans"),
    "interval": ("Interval",),
    "lockstep": ("Lockstep", "Pair"),
    "native": ("Native",),
    "ops": ("OPS", "Op", "Tensor"),
    "ranges": ("Partition", "Ranges"),
    "reference": ("Narrowing", "Reference", "narrowings", "plain"),
    "semantics": ("SEMANTICS", "op_table_digest"),
    "vector": ("Vector",),
    "word": ("INT8", "INT16", "INT32", "MAX_BITS", "MIN_BITS", "Overflow", "Register", "Role", "Word", "fit"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from the module that defines it; it is then this package's own attribute."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
