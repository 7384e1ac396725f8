// A periodic timer's handlers run while the program computes and makes calls; every loop result is right.
#include "guest.h"

static volatile sig_atomic_t ticks;

static void handler(int number) {
    (void)number;
    ticks++;
}

int main(void) {
    install(SIGALRM, handler, SA_RESTART);
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    uint64_t until = now_ns(CLOCK_MONOTONIC) + 100000000u;
    long calls = 0;
    while (now_ns(CLOCK_MONOTONIC) < until) {
        CHECK(getppid() >= 0);
        volatile unsigned sum = 0;
        for (unsigned i = 0; i < 1000; i++)
            sum += i;
        CHECK(sum == 499500);
        calls++;
    }
    timer = (struct itimerval){0};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK(ticks > 3);
    say("%d ticks in %ld calls\n", (int)ticks, calls);
    return success();
}
