// SA_RESETHAND gives the default action back after one delivery.
#include "guest.h"

static volatile int count;

static void handler(int number) {
    (void)number;
    count++;
}

int main(void) {
    install(SIGUSR1, handler, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction action;
    CHECK(count == 1 && sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    pid_t child = fork_checked();
    if (child == 0) {
        raise(SIGUSR1);
        _exit(0);
    }
    reap_killed(child, SIGUSR1);
    say("child %d\n", (int)child);
    return success();
}
