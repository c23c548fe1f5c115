/* Counts the overflows that gcc's signed-integer-overflow sanitizer sees in a network exported with --plain-int.

   The handlers' names and arguments are those of libubsan, which would report each place once only. At the end:

       overflow LINE ABOVE BELOW      how often the exact result lay above and below the 32-bit range, by network.c's line
*/
#include <stdint.h>
#include <stdio.h>

#include "platform.h"

enum { PLACES = 1024 };

typedef struct {
    const char *file;
    uint32_t line, column;
} location;

static struct {
    uint32_t line;
    uint64_t above, below;
} places[PLACES];
static unsigned used;

static void count(const location *where, int64_t exact)
{
    unsigned i = 0;

    while (i < used && places[i].line != where->line) {
        i++;
    }
    if (i == used) {
        if (used == PLACES) {
            platform_end(1);
            return;
        }
        places[used++].line = where->line;
    }
    if (exact > 0) {
        places[i].above++;
    } else {
        places[i].below++;
    }
}

/* Operands of at most 32 bits arrive in the low bits of a machine word. */
static int64_t number(uintptr_t bits)
{
    return (int32_t)(uint32_t)bits;
}

void __ubsan_handle_add_overflow(const location *where, uintptr_t a, uintptr_t b);
void __ubsan_handle_sub_overflow(const location *where, uintptr_t a, uintptr_t b);
void __ubsan_handle_mul_overflow(const location *where, uintptr_t a, uintptr_t b);
void __ubsan_handle_negate_overflow(const location *where, uintptr_t a);
void __ubsan_handle_divrem_overflow(const location *where, uintptr_t a, uintptr_t b);

void __ubsan_handle_add_overflow(const location *where, uintptr_t a, uintptr_t b)
{
    count(where, number(a) + number(b));
}

void __ubsan_handle_sub_overflow(const location *where, uintptr_t a, uintptr_t b)
{
    count(where, number(a) - number(b));
}

void __ubsan_handle_mul_overflow(const location *where, uintptr_t a, uintptr_t b)
{
    count(where, number(a) * number(b));
}

void __ubsan_handle_negate_overflow(const location *where, uintptr_t a)
{
    count(where, -number(a));
}

void __ubsan_handle_divrem_overflow(const location *where, uintptr_t a, uintptr_t b)
{
    (void)b; /* the only quotient that overflows is MIN / -1 */
    count(where, -number(a));
}

void platform_begin(void)
{
}

void platform_put(char c)
{
    putchar(c);
}

void platform_end(int failed)
{
    (void)failed; /* main returns it */
    for (unsigned i = 0; i < used; i++) {
        printf("overflow %u %llu %llu\n", (unsigned)places[i].line, (unsigned long long)places[i].above,
               (unsigned long long)places[i].below);
    }
    fflush(stdout);
}
