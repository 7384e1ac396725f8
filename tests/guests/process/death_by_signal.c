// A child's death by each deadly signal is reported as that signal, and no core is written when the limit is zero.
#include "guest.h"

int main(void) {
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
    int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2,
                    SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO, SIGSYS, SIGPWR, SIGSTKFLT, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        pid_t child = fork_checked();
        if (child == 0) {
            if (deadly[i] != SIGKILL)
                signal(deadly[i], SIG_DFL);
            kill(getpid(), deadly[i]);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != deadly[i] || WCOREDUMP(status))
            dprintf(2, "signal %d: status %#x\n", deadly[i], status);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == deadly[i] && !WCOREDUMP(status));
        say("%d by %d\n", (int)child, deadly[i]);
    }
    return success();
}
