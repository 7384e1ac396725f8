// The siginfo of a handler names the sender, its user, the queued value, and the code of how it was sent.
#include "guest.h"

static volatile siginfo_t seen;

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    seen = *info;
}

int main(void) {
    install_info(SIGUSR1, handler, 0);
    install_info(SIGRTMIN, handler, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(seen.si_signo == SIGUSR1 && seen.si_code == SI_USER && seen.si_pid == getpid() && seen.si_uid == getuid());
    CHECK(raise(SIGUSR1) == 0);
    CHECK(seen.si_code == SI_TKILL && seen.si_pid == getpid());
    union sigval value = {.sival_ptr = (void *)0x123456789abcdef};
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    CHECK(seen.si_signo == SIGRTMIN && seen.si_code == SI_QUEUE && seen.si_value.sival_ptr == value.sival_ptr);
    pid_t parent = getpid();
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        value.sival_int = 4711;
        CHECK(sigqueue(parent, SIGRTMIN, value) == 0);
        _exit(0);
    }
    seen.si_pid = 0;
    while (seen.si_pid == 0)
        sigsuspend(&old);
    CHECK(seen.si_pid == child && seen.si_value.sival_int == 4711 && seen.si_uid == getuid());
    reap_exit(child, 0);
    say("from %d\n", (int)seen.si_pid);
    return success();
}
