// A program's own SIGSYS handler is kept and called when someone sends it that signal.
#include "guest.h"

static volatile int seen;

static void handler(int number, siginfo_t *info, void *context) {
    (void)context;
    CHECK(info->si_pid == getpid());
    seen = number;
}

int main(void) {
    install_info(SIGSYS, handler, 0);
    for (int i = 0; i < 10; i++) {
        seen = 0;
        CHECK(kill(getpid(), SIGSYS) == 0);
        CHECK(seen == SIGSYS);
    }
    struct sigaction action;
    CHECK(sigaction(SIGSYS, NULL, &action) == 0 && action.sa_sigaction == handler);
    signal(SIGSYS, SIG_DFL);
    pid_t child = fork_checked();
    if (child == 0) {
        kill(getpid(), SIGSYS);
        _exit(0);
    }
    reap_killed(child, SIGSYS);
    say("child %d\n", (int)child);
    return success();
}
