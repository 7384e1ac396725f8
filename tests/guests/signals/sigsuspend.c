// sigsuspend waits under another mask for a child's signal, and the old mask is back after it.
#include "guest.h"

static volatile int seen;

static void handler(int number) { seen = number; }

int main(void) {
    sigset_t blocked, empty, now;
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    install(SIGUSR1, handler, 0);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    for (int round = 0; round < 10; round++) {
        pid_t child = fork_checked();
        if (child == 0) {
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        seen = 0;
        CHECK_ERRNO(sigsuspend(&empty), EINTR);
        CHECK(seen == SIGUSR1);
        CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1));
        reap_exit(child, 0);
        say("child %d\n", (int)child);
    }
    return success();
}
