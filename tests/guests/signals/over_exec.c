// Over exec, ignored signals stay ignored, handled ones become default, blocked ones stay blocked, and pending ones pending.
#include "guest.h"

static void handler(int number) { (void)number; }

int main(int argc, char **argv) {
    (void)argv;
    sigset_t set, pending;
    sigemptyset(&set);
    if (argc == 1) {
        signal(SIGUSR1, SIG_IGN);
        install(SIGUSR2, handler, 0);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGSEGV);
        sigaddset(&set, SIGRTMIN + 5);
        CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
        raise(SIGTERM);
        CHECK(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 6}) == 0);
        execl(self_path(), "over_exec", "again", (char *)NULL);
        CHECK(!"exec");
    }
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
    CHECK(sigismember(&set, SIGTERM) && sigismember(&set, SIGSEGV) && sigismember(&set, SIGRTMIN + 5) && !sigismember(&set, SIGSYS) &&
          !sigismember(&set, SIGUSR1));
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGTERM));
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 5 && info.si_value.sival_int == 6 && info.si_pid == getpid());
    raise(SIGUSR1);
    say("pid %d\n", (int)getpid());
    return success();
}
