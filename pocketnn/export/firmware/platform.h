/* What the test program needs of a board: a place to write characters, and an end. */
#ifndef POCKETNN_PLATFORM_H
#define POCKETNN_PLATFORM_H

void platform_begin(void);
void platform_put(char c);
void platform_end(int failed);

#endif
