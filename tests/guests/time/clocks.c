// Every clock advances, none runs backwards, and each has a resolution.
#include "guest.h"

int main(void) {
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
                          CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        uint64_t last = 0;
        for (int round = 0; round < 200; round++) {
            uint64_t now = now_ns(clocks[i]);
            CHECK(now >= last);
            last = now;
        }
        struct timespec resolution;
        CHECK(clock_getres(clocks[i], &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec > 0);
        say("clock %d: %lu\n", clocks[i], (unsigned long)last);
    }
    struct timespec time;
    CHECK_ERRNO(clock_gettime(99, &time), EINVAL);
    clockid_t own;
    CHECK(clock_getcpuclockid(getpid(), &own) == 0 && now_ns(own) > 0);
    return success();
}
