// ITIMER_VIRTUAL and ITIMER_PROF fire while the program computes; getitimer says what is left.
#include "guest.h"

static volatile int virtual_ticks, profile_ticks;

static void on_virtual(int number) {
    (void)number;
    virtual_ticks++;
}

static void on_profile(int number) {
    (void)number;
    profile_ticks++;
}

int main(void) {
    install(SIGVTALRM, on_virtual, SA_RESTART);
    install(SIGPROF, on_profile, SA_RESTART);
    struct itimerval timer = {{0, 10000}, {0, 10000}}, left;
    CHECK(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0 && setitimer(ITIMER_PROF, &timer, NULL) == 0);
    volatile unsigned long passes = 0;
    while (virtual_ticks < 3 || profile_ticks < 3)
        passes++;
    CHECK(getitimer(ITIMER_PROF, &left) == 0 && left.it_interval.tv_usec >= 10000);
    timer = (struct itimerval){0};
    CHECK(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0 && setitimer(ITIMER_PROF, &timer, NULL) == 0);
    say("%lu passes\n", passes);
    return success();
}
