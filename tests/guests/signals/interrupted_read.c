// A signal without SA_RESTART ends a blocked read with EINTR, and nothing is read.
#include "guest.h"

static volatile int ticks;

static void handler(int number) {
    (void)number;
    ticks++;
}

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    install(SIGALRM, handler, 0);
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    char byte;
    for (int i = 1; i <= 5; i++) {
        CHECK_ERRNO(read(pipes[0], &byte, 1), EINTR);
        CHECK(ticks >= i);
    }
    timer = (struct itimerval){0};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    struct timespec rest = {10, 0}, left;
    timer.it_value.tv_usec = 20000;
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK_ERRNO(nanosleep(&rest, &left), EINTR);
    CHECK(left.tv_sec == 9);
    say("%d ticks, %ld ns left over\n", ticks >= 5, left.tv_nsec);
    return success();
}
