/* AVR with USART0 (ATmega1284P, 328P, 2560): 8N1 at BAUD, by polling. Sleeps for ever at the end. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "platform.h"

#ifndef BAUD
#define BAUD 115200UL
#endif

void platform_begin(void)
{
    UBRR0 = (uint16_t)(F_CPU / 8 / BAUD - 1);
    UCSR0A = (uint8_t)(1 << U2X0);
    UCSR0C = (uint8_t)((1 << UCSZ01) | (1 << UCSZ00));
    UCSR0B = (uint8_t)(1 << TXEN0);
}

void platform_put(char c)
{
    while ((UCSR0A & (1 << UDRE0)) == 0) {
    }
    UCSR0A = (uint8_t)((1 << U2X0) | (1 << TXC0));
    UDR0 = (uint8_t)c;
    /* Ten bits' time; a chip could be asked all along instead, but simavr sleeps at every look. */
    __builtin_avr_delay_cycles(F_CPU / BAUD * 10 + 64);
}

void platform_end(int failed)
{
    (void)failed; /* the log says it */
    while ((UCSR0A & (1 << TXC0)) == 0) {
    }
    cli();
    sleep_mode();
    for (;;) {
    }
}

/* Core cycles. Timer 1 counts every one, modulo 2^16, and timer 3 every 1024th; together they say how many. */
void platform_count_from_zero(void)
{
    TCCR1B = 0;
    TCCR3B = 0;
    TCNT1 = 0;
    TCNT3 = 0;
    TIFR3 = (uint8_t)(1 << TOV3);
    GTCCR = (uint8_t)((1 << TSM) | (1 << PSRSYNC)); /* the prescaler starts at zero, and with it both timers at once */
    TCCR1B = (uint8_t)(1 << CS10);
    TCCR3B = (uint8_t)((1 << CS32) | (1 << CS30));
    GTCCR = 0;
}

uint32_t platform_count(void)
{
    const uint16_t low = TCNT1;
    const uint32_t about = (uint32_t)TCNT3 * UINT32_C(1024);
    uint32_t count = (about & UINT32_C(0xFFFF0000)) | low;

    if ((TIFR3 & (1 << TOV3)) != 0) {
        return UINT32_MAX;
    }
    if (count + UINT32_C(0x8000) < about) {
        count += UINT32_C(0x10000);
    } else if (count > about + UINT32_C(0x8000)) {
        count -= UINT32_C(0x10000);
    }
    return count;
}
