// nanosleep and clock_nanosleep, relative and absolute, last at least as long as asked, and refuse nonsense.
#include "guest.h"

int main(void) {
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    struct timespec rest = {0, 20000000}, left;
    CHECK(nanosleep(&rest, &left) == 0);
    uint64_t first = now_ns(CLOCK_MONOTONIC) - before;
    CHECK(first >= 20000000);
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_nsec += 30000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
    CHECK(now_ns(CLOCK_MONOTONIC) >= (uint64_t)until.tv_sec * 1000000000u + (uint64_t)until.tv_nsec);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
    struct timespec nonsense = {0, 2000000000};
    CHECK_ERRNO(nanosleep(&nonsense, NULL), EINVAL);
    CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &nonsense, NULL) == EINVAL);
    CHECK(usleep(1000) == 0);
    say("slept %lu ns\n", (unsigned long)first);
    return success();
}
