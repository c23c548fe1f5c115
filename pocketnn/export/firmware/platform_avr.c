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
