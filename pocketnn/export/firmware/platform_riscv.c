/* QEMU's RISC-V `virt` machine: start-up code, UART at 0x10000000, test device at 0x100000. */
#include <stdint.h>

#include "platform.h"

extern uint32_t bss_start[], bss_end[];
int main(void);
void start(void);

__asm__(".option arch, +zicsr\n.section .start, \"ax\"\n.globl _start\n_start:\n la sp, stack_top\n la t0, trapped\n csrw mtvec, t0\n"
        " j start\n.balign 4\ntrapped:\n li a0, 1\n j platform_end\n.option arch, -zicsr\n.text\n");

void platform_begin(void)
{
}

void platform_put(char c)
{
    volatile uint8_t *const uart = (volatile uint8_t *)0x10000000;

    while ((uart[5] & 0x20u) == 0u) {
    }
    uart[0] = (uint8_t)c;
}

void platform_end(int failed)
{
    volatile uint32_t *const device = (volatile uint32_t *)0x100000;

    *device = failed ? 0x13333u : 0x5555u;
    for (;;) {
    }
}

/* Instructions retired; exact in QEMU with -icount. */
static uint32_t retired(void)
{
    uint32_t count;

    __asm__ volatile(".option push\n.option arch, +zicsr\n csrr %0, minstret\n.option pop" : "=r"(count) : : "memory");
    return count;
}

static uint32_t began;

void platform_count_from_zero(void)
{
    began = retired();
}

uint32_t platform_count(void)
{
    return retired() - began;
}

void start(void)
{
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    (void)main();
}
