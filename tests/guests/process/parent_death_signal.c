// PR_SET_PDEATHSIG sends the child its signal when the parent ends.
#include "guest.h"

int main(void) {
    int report[2];
    CHECK(pipe(report) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        int ready[2];
        CHECK(pipe(ready) == 0);
        if (fork_checked() == 0) {
            CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
            write_all(ready[1], "x", 1);
            struct timespec limit = {5, 0};
            int got = sigtimedwait(&set, NULL, &limit);
            write_all(report[1], &got, sizeof got);
            _exit(0);
        }
        char byte;
        read_all(ready[0], &byte, 1);
        _exit(0);
    }
    reap_exit(child, 0);
    int got;
    read_all(report[0], &got, sizeof got);
    CHECK(got == SIGUSR1);
    say("signal %d after %d ended\n", got, (int)child);
    return success();
}
