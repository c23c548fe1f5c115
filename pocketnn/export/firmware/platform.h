/* What the test program needs of a board: a place to write characters, and an end; to count, a counter as well. */
#ifndef POCKETNN_PLATFORM_H
#define POCKETNN_PLATFORM_H

#include <stdint.h>

void platform_begin(void);
void platform_put(char c);
void platform_end(int failed);

/* For count.c alone: what has passed since the counter was started; UINT32_MAX if it ran over. */
void platform_count_from_zero(void);
uint32_t platform_count(void);

#endif
