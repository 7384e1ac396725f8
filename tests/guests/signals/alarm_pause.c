// alarm ends a pause, and pause reports EINTR.
#include "guest.h"

static volatile int rang;

static void handler(int number) { rang = number; }

int main(void) {
    install(SIGALRM, handler, 0);
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    struct itimerval timer = {{0, 0}, {0, 50000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK_ERRNO(pause(), EINTR);
    CHECK(rang == SIGALRM);
    uint64_t took = now_ns(CLOCK_MONOTONIC) - before;
    CHECK(took >= 49000000);
    CHECK(alarm(100) == 0 && alarm(0) == 100);
    say("%lu ns\n", (unsigned long)took);
    return success();
}
