// times and clock count what the process computes.
#include "guest.h"
#include <sys/times.h>

int main(void) {
    struct tms buffer;
    clock_t before = clock(), ticks = times(&buffer);
    CHECK(before >= 0 && ticks != -1);
    volatile unsigned long sum = 0;
    while (clock() - before < CLOCKS_PER_SEC / 20)
        for (int i = 0; i < 10000; i++)
            sum += (unsigned long)i;
    clock_t after = times(&buffer);
    CHECK(after >= ticks && buffer.tms_utime >= 0);
    say("%ld ticks, clock %ld, passes %lu\n", (long)after, (long)clock(), sum);
    return success();
}
