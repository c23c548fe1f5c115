/* Text for people and logs, a character at a time through platform_put. */
#ifndef POCKETNN_TEXT_H
#define POCKETNN_TEXT_H

#include <stdint.h>

void put_text(const char *text);
void put_decimal(uint32_t number);

#endif
