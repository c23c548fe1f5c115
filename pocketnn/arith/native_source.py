"""The C source of the Native backend: loops around the op table's C column that also count flags and ranges.

Every kernel computes in a lane, a signed type that its caller has chosen wide enough for every exact value; what is
narrowed, and how, comes in at run time. So one library serves all registers, and nothing in it is undefined in C99, nor
left to the implementation, apart from the 128-bit type that gcc and clang add.
"""

from __future__ import annotations

from typing import NamedTuple

from pocketnn.arith.c_helpers import ORDER, ROOT
from pocketnn.arith.ops import OPS, Op

__all__ = ["FOUND", "KERNELS", "LANES", "Lane", "kernel_name", "native_source"]

FOUND = 15
"""Length of what a kernel reports: events, elements, transient, corrupted, vanished, zero_divisions, first; then lo,
hi, least and most as a high and a low half of 64 bits each."""


class Lane(NamedTuple):
    """Types to compute in. operand: of what comes in. lane: of single values; unsigned: its counterpart. total: of
    the exact sum of a fold's terms."""

    operand: str
    lane: str
    unsigned: str
    total: str


LANES = {
    32: Lane("int32_t", "int32_t", "uint32_t", "int64_t"),
    64: Lane("int64_t", "int64_t", "uint64_t", "int64_t"),
    128: Lane("int64_t", "wide", "uwide", "wide"),
}
"""By bits."""

KERNELS = [
    (op, bits)
    for op in OPS.values()
    for bits in LANES
    if op.depth is not None or bits == 64 or (bits == 128 and op.name == "mul")
]
"""Op and bits of the lane: folds in every lane, what does not fold in 64 bits, and products of wide words in 128."""

_HEAD = """\
#include <stdint.h>

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

/* A register: its bounds, all its bits, the highest; whether it saturates; whether it takes updates. */
typedef struct {
    int64_t lo, hi, mask, sign, saturate, update;
} target;

/* Flags and ranges, as in the emulator. */
typedef struct {
    int64_t events, elements, transient, corrupted, vanished, zero_divisions, first;
    wide lo, hi, least, most;
} summary;

static const summary nothing = {0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0};

static void element(summary *s, int64_t i, int64_t events, int wrong, wide exact, wide least, wide most)
{
    if (events != 0) {
        s->events += events;
        s->elements++;
        s->corrupted += wrong;
        s->transient += !wrong;
        if (s->first < 0) {
            s->first = i;
        }
    }
    if (i == 0) {
        s->lo = s->hi = exact;
        s->least = least;
        s->most = most;
    }
    s->lo = exact < s->lo ? exact : s->lo;
    s->hi = exact > s->hi ? exact : s->hi;
    s->least = least < s->least ? least : s->least;
    s->most = most > s->most ? most : s->most;
}

static void report(const summary *s, int64_t *found)
{
    const wide ranges[4] = {s->lo, s->hi, s->least, s->most};

    found[0] = s->events;
    found[1] = s->elements;
    found[2] = s->transient;
    found[3] = s->corrupted;
    found[4] = s->vanished;
    found[5] = s->zero_divisions;
    found[6] = s->first;
    for (int k = 0; k < 4; k++) {
        const uint64_t low = (uint64_t)ranges[k];

        found[7 + 2 * k] = (int64_t)((ranges[k] - (wide)low) / ((wide)1 << 64));
        found[8 + 2 * k] = (int64_t)(low & INT64_MAX) + (low > INT64_MAX ? INT64_MIN : 0);
    }
}
"""

_NARROW = """
/* The low bits of x as a two's-complement number, or the nearest bound. */
static inline @lane narrow@bits(@lane x, const target *to)
{
    const @lane lo = (@lane)to->lo, hi = (@lane)to->hi, sign = (@lane)to->sign;

    if (to->saturate) {
        return x < lo ? lo : x > hi ? hi : x;
    }
    return (@lane)(((@unsigned)x & (@unsigned)to->mask) ^ (@unsigned)sign) - sign;
}
"""

# b and c are the other operands; `length` is how many bounds a ladder has, or how many elements a row.
_EACH = """
void @name(const int64_t *a, int64_t da, const int64_t *b, int64_t db, const int64_t *c, int64_t dc, int64_t length,
           int64_t count, const target *to, int64_t *result, int64_t *found)
{
    summary s = nothing;

    (void)da, (void)b, (void)db, (void)c, (void)dc, (void)length;
    for (int64_t i = 0; i < count; i++) {
        @lane exact, stored;
@exact
        stored = narrow@bits(exact, to);
        result[i] = (int64_t)stored;
        element(&s, i, exact != stored, exact != stored, exact, exact, exact);
    }
    report(&s, found);
}
"""

_DIV = """\
        if (b[i * db] == 0) {
            exact = to->hi;
            s.zero_divisions++;
        } else {
            exact = @c;
            s.vanished += to->update && a[i * da] != 0 && exact == 0;
        }"""

_SELECT = """\
        int64_t k = 0;

        while (k < length && !(@c)) {
            k++;
        }
        exact = c[k];"""

_ARGMAX = """\
        const int64_t *const row = a + i * length;
        int64_t best = 0;

        for (int64_t k = 1; k < length; k++) {
            if (@c) {
                best = k;
            }
        }
        exact = best;"""

# Columns innermost, so that the compiler can compute several at a time. What a register holds after each term depends
# on what it held before, so the terms of a column stay in order. overflows: for the events of each element, or null.
_FOLD = """
void @name(const @operand *left, const @operand *right, int64_t rows, int64_t depth, int64_t columns,
           int64_t *overflows, const target *to, int64_t *result, int64_t *found)
{
    enum { BLOCK = 256 };
    summary s = nothing;

    (void)left;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t start = 0; start < columns; start += BLOCK) {
            const int64_t width = columns - start < BLOCK ? columns - start : BLOCK;
            @lane held[BLOCK] = {0}, events[BLOCK] = {0};
            @total exact[BLOCK] = {0}, negative[BLOCK] = {0};

            for (int64_t k = 0; k < depth; k++) {
                const @operand *const row = right + k * columns + start;
@skip
                for (int64_t j = 0; j < width; j++) {
                    const @lane term = @c;
                    const @lane entering = @entering;
                    const @lane sum = held[j] + entering;
                    const @lane kept = narrow@bits(sum, to);

                    events[j] += (@lane)(term != entering) + (@lane)(sum != kept);
                    held[j] = kept;
                    exact[j] += term;
                    negative[j] += term < 0 ? term : 0;
                }
            }
            for (int64_t j = 0; j < width; j++) {
                const int64_t at = i * columns + start + j;

                result[at] = (int64_t)held[j];
                if (overflows) {
                    overflows[at] = (int64_t)events[j];
                }
                element(&s, at, (int64_t)events[j], held[j] != exact[j], exact[j], negative[j], exact[j] - negative[j]);
            }
        }
    }
    report(&s, found);
}
"""

# A product of zero fits, changes no accumulator and no range: steps that have a factor of zero are left out.
_SKIP = """\
                const @lane factor = left[i * depth + k];

                if (factor == 0) {
                    continue;
                }"""


def kernel_name(op: Op, bits: int) -> str:
    """The name of an op's kernel in a lane of so many bits."""
    return f"pocketnn_{op.name}_{bits}"


def native_source() -> str:
    """All kernels, after what they share."""
    shared = [_HEAD, "\n", ORDER, "\n", ROOT, *[_filled(_NARROW, bits) for bits in LANES]]
    return "".join(shared + [(_each if op.depth is None else _fold)(op, bits) for op, bits in KERNELS])


def _filled(template: str, bits: int, **values: str) -> str:
    """A template with types and values in the place of `@name`; longer names first, one may begin another."""
    names = {**LANES[bits]._asdict(), "bits": str(bits), **values}
    for name in sorted(names, key=len, reverse=True):
        template = template.replace(f"@{name}", names[name])
    return template


def _each(op: Op, bits: int) -> str:
    lane = LANES[bits].lane
    operands = [f"({lane}){x}[i * d{x}]" for x in "abc"]
    match op.name:
        case "div":
            exact = _DIV.replace("@c", op.c.format(*operands))
        case "select":
            exact = _SELECT.replace("@c", op.c.format(operands[0], "b[k]"))
        case "argmax":
            exact = _ARGMAX.replace("@c", op.c.format("row[k]", "row[best]"))
        case _:
            exact = f"        exact = {op.c.format(*operands)};"
    return _filled(_EACH, bits, name=kernel_name(op, bits), exact=exact)


def _fold(op: Op, bits: int) -> str:
    lane = LANES[bits].lane
    product = op.rounds == 2
    operands = ["factor", f"({lane})row[j]"] if product else [f"({lane})row[j]"]
    skip = _filled(_SKIP, bits) if product else ""
    entering = f"narrow{bits}(term, to)" if product else "term"
    return _filled(_FOLD, bits, name=kernel_name(op, bits), c=op.c.format(*operands), entering=entering, skip=skip)
