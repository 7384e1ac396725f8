// A loop without a single system call ends because a timer's handler says so.
#include "guest.h"

static volatile sig_atomic_t stop;

static void handler(int number) {
    (void)number;
    stop = 1;
}

int main(void) {
    install(SIGALRM, handler, 0);
    struct itimerval timer = {{0, 0}, {0, 100000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    unsigned long passes = 0;
    while (!stop)
        passes++;
    say("%lu passes\n", passes);
    return success();
}
