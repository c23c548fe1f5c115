/* gcc may call these even where there is no C library. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

void *memcpy(void *to, const void *from, size_t count)
{
    char *t = to;
    const char *f = from;

    while (count-- > 0) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    unsigned char *t = to;

    while (count-- > 0) {
        *t++ = (unsigned char)value;
    }
    return to;
}
