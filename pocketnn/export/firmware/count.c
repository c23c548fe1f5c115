/* Runs the golden steps and writes how long each took, in the unit of platform_count, without checking any result:

       pocketnn count STEP N           N is - where the counter ran over
       pocketnn counted STEPS

   Fetching the inputs is not counted. */
#include "network.h"
#include "golden.h"
#include "platform.h"
#include "text.h"

int main(void)
{
    platform_begin();
    for (uint16_t step = 0; step < GOLDEN_STEPS; step++) {
        uint32_t count;

        golden_inputs(step);
        platform_count_from_zero();
        golden_step();
        count = platform_count();
        put_text("pocketnn count ");
        put_decimal(step + UINT32_C(1));
        put_text(" ");
        if (count == UINT32_MAX) {
            put_text("-");
        } else {
            put_decimal(count);
        }
        put_text("\n");
    }
    put_text("pocketnn counted ");
    put_decimal(GOLDEN_STEPS);
    put_text("\n");
    platform_end(0);
    return 0;
}
