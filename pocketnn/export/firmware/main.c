/* Test program: runs the golden steps and writes the CRC-32 of every result, a line each:

       pocketnn STEP SITE CRC          contents of the result's register, little-endian, row by row
       pocketnn STEP = CRC ok|differs  CRC-32 of the step's CRCs, little-endian; as expected or not
       pocketnn end LINES              how many lines came before this one

   `pocketnn verify-device LOG TRACE` reads them. Everything else in a log is ignored. */
#include "network.h"
#include "golden.h"
#include "platform.h"
#include "text.h"

static uint32_t lines;
static uint32_t of_step;
static uint16_t step, site;
static uint8_t failed;

/* CRC-32 as in zlib (reflected polynomial 0xEDB88320), four bits at a time: a small table, and quick enough. */
static uint32_t crc32(uint32_t crc, uint8_t byte)
{
    static const uint32_t table[16] = {
        UINT32_C(0x00000000), UINT32_C(0x1DB71064), UINT32_C(0x3B6E20C8), UINT32_C(0x26D930AC),
        UINT32_C(0x76DC4190), UINT32_C(0x6B6B51F4), UINT32_C(0x4DB26158), UINT32_C(0x5005713C),
        UINT32_C(0xEDB88320), UINT32_C(0xF00F9344), UINT32_C(0xD6D6A3E8), UINT32_C(0xCB61B38C),
        UINT32_C(0x9B64C2B0), UINT32_C(0x86D3D2D4), UINT32_C(0xA00AE278), UINT32_C(0xBDBDF21C)
    };

    crc = (crc >> 4) ^ table[(crc ^ byte) & 15u];
    return (crc >> 4) ^ table[(crc ^ (uint32_t)(byte >> 4)) & 15u];
}

static void put_hex(uint32_t number)
{
    for (int8_t shift = 28; shift >= 0; shift = (int8_t)(shift - 4)) {
        platform_put("0123456789abcdef"[(number >> shift) & 15u]);
    }
}

static void begin_line(void)
{
    put_text("pocketnn ");
    put_decimal(step + UINT32_C(1));
    platform_put(' ');
    lines++;
}

static void put_site(uint32_t crc)
{
    begin_line();
    for (POCKETNN_FAR char *name = golden_sites[site]; *name != '\0'; name++) {
        platform_put(*name);
    }
    platform_put(' ');
    put_hex(crc);
    platform_put('\n');
    for (uint8_t i = 0; i < 4u; i++) {
        of_step = crc32(of_step, (uint8_t)(crc >> (8u * i)));
    }
    site++;
}

#define TAP(bits)                                                        \
    void pocketnn_tap##bits(const int##bits##_t *x, uint32_t count)      \
    {                                                                    \
        uint32_t crc = UINT32_C(0xFFFFFFFF);                             \
                                                                         \
        for (uint32_t i = 0; i < count; i++) {                           \
            for (uint8_t byte = 0; byte < bits / 8; byte++) {            \
                crc = crc32(crc, (uint8_t)((uint##bits##_t)x[i] >> (8u * byte))); \
            }                                                            \
        }                                                                \
        put_site(~crc);                                                  \
    }

TAP(8)
TAP(16)
TAP(32)
TAP(64)

int main(void)
{
    platform_begin();
    for (step = 0; step < GOLDEN_STEPS; step++) {
        site = 0;
        of_step = UINT32_C(0xFFFFFFFF);
        golden_inputs(step);
        golden_step();
        begin_line();
        put_text("= ");
        put_hex(~of_step);
        if (~of_step == golden_crcs[step]) {
            put_text(" ok\n");
        } else {
            put_text(" differs\n");
            failed = 1;
        }
    }
    put_text("pocketnn end ");
    put_decimal(lines);
    platform_put('\n');
    platform_end(failed);
    return failed;
}
