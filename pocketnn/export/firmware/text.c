#include "text.h"
#include "platform.h"

void put_decimal(uint32_t number)
{
    char digits[10];
    uint8_t count = 0;

    do {
        digits[count++] = (char)('0' + (char)(number % 10u));
        number /= 10u;
    } while (number > 0u);
    while (count > 0u) {
        platform_put(digits[--count]);
    }
}

void put_text(const char *text)
{
    while (*text != '\0') {
        platform_put(*text++);
    }
}
