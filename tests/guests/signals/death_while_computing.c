// ends: signal 14
// A loop without a single system call is ended by SIGALRM's default action.
#include "guest.h"

int main(void) {
    success();
    struct itimerval timer = {{0, 0}, {0, 100000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (volatile unsigned long passes = 0;; passes++)
        ;
}
