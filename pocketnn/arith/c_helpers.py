"""What the op table's C column presupposes: two macros and a function, as C99 text."""

__all__ = ["ORDER", "ROOT"]

ORDER = "#define GREATEST(a, b) ((a) > (b) ? (a) : (b))\n#define LEAST(a, b) ((a) < (b) ? (a) : (b))\n"
"""The greater and the lesser of two values; each is evaluated once or twice."""

ROOT = """\
/* Floor of the square root; 0 for negative x. */
static int64_t root(int64_t x)
{
    int64_t result = 0;
    int64_t bit;

    for (bit = (int64_t)1 << 23; bit > 0; bit /= 2) {
        if ((result + bit) * (result + bit) <= x) {
            result += bit;
        }
    }
    return result;
}
"""
"""A bit at a time, from the highest that the root of a 48-bit number can have; nothing here can overflow."""
