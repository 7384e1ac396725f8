// A child is stopped, reported by WUNTRACED, continued, reported by WCONTINUED, and ended.
#include "guest.h"

int main(void) {
    int status, ready[2];
    CHECK(pipe(ready) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        write_all(ready[1], "x", 1);
        for (;;)
            pause();
    }
    char byte;
    read_all(ready[0], &byte, 1);
    for (int round = 0; round < 3; round++) {
        CHECK(kill(child, SIGSTOP) == 0);
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
        CHECK(kill(child, SIGCONT) == 0);
        CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    }
    CHECK(kill(child, SIGSTOP) == 0);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
    CHECK(kill(child, SIGTERM) == 0 && kill(child, SIGCONT) == 0);
    reap_killed(child, SIGTERM);
    child = fork_checked();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(4);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(kill(child, SIGCONT) == 0);
    reap_exit(child, 4);
    say("child %d\n", (int)child);
    return success();
}
