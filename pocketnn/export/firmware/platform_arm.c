/* Cortex-M: start-up code, and output by semihosting. On a board without a debugger, write to its UART instead. */
#include <stdint.h>

#include "platform.h"

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);
void reset(void);

enum { SYS_WRITEC = 0x03, SYS_EXIT = 0x18 };

static void semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void platform_begin(void)
{
}

void platform_put(char c)
{
    semihosting(SYS_WRITEC, (uintptr_t)&c);
}

void platform_end(int failed)
{
    /* ADP_Stopped_ApplicationExit, ADP_Stopped_InternalError */
    semihosting(SYS_EXIT, failed ? 0x20024u : 0x20026u);
    for (;;) {
    }
}

/* Ticks of SysTick at the processor's clock: cycles on a board, a fixed time and so a fixed number of instructions in
   QEMU with -icount. It counts 24 bits, downwards. */
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u; /* control, reload, current */

void platform_count_from_zero(void)
{
    systick[0] = 0;
    systick[1] = 0xFFFFFFu;
    systick[2] = 0;
    systick[0] = 5;
}

uint32_t platform_count(void)
{
    const uint32_t now = systick[2];

    if ((systick[0] & 0x10000u) != 0) {
        return UINT32_MAX;
    }
    return (0xFFFFFFu - now) & 0xFFFFFFu;
}

static void fault(void)
{
    platform_end(1);
}

void reset(void)
{
    const uint32_t *from = data_load;

    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    (void)main();
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[15];
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault}};
