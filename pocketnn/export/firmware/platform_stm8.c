/* STM8 in uCsim (sstm8): characters through the simulator's interface, put where the chip has nothing. On a board, write
   to a UART instead. */
#include <stdint.h>

#include "platform.h"

static volatile uint8_t *const simulator = (volatile uint8_t *)0x5F00;

void platform_begin(void)
{
}

void platform_put(char c)
{
    *simulator = 'p';
    *simulator = (uint8_t)c;
}

void platform_end(int failed)
{
    (void)failed; /* the log says it */
    *simulator = 's';
    for (;;) {
    }
}
