// waitpid goes on after a handler with SA_RESTART; poll never does, as the manual says.
#include "guest.h"
#include <poll.h>

static volatile int ticks;

static void handler(int number) {
    (void)number;
    ticks++;
}

int main(void) {
    install(SIGALRM, handler, SA_RESTART);
    pid_t child = fork_checked();
    if (child == 0) {
        sleep_ms(100);
        _exit(5);
    }
    struct itimerval timer = {{0, 0}, {0, 30000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5 && ticks == 1);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK_ERRNO(poll(NULL, 0, 5000), EINTR);
    CHECK(ticks == 2);
    say("child %d\n", (int)child);
    return success();
}
