"""Signed two's-complement register arithmetic: words, ops, and backends that execute them."""

from pocketnn.arith.backend import Backend, Outcome, Values, as_integers
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
