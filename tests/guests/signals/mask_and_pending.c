// Blocked signals stay pending, standard ones once, real-time ones queued in order, and come when they are unblocked.
#include "guest.h"

static char order[200];

static void handler(int number, siginfo_t *info, void *context) {
    (void)context;
    char text[20];
    snprintf(text, sizeof text, "%d:%d ", number == SIGUSR1 ? 0 : number - SIGRTMIN + 1, number == SIGUSR1 ? 0 : info->si_value.sival_int);
    strcat(order, text);
}

int main(void) {
    sigset_t set, old, pending;
    sigfillset(&set);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGRTMIN, &action, NULL) == 0 && sigaction(SIGRTMIN + 1, &action, NULL) == 0);
    CHECK(sigprocmask(SIG_SETMASK, &set, &old) == 0);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &pending) == 0 && sigismember(&pending, SIGSYS) && !sigismember(&pending, SIGKILL));
    for (int i = 1; i <= 3; i++) {
        kill(getpid(), SIGUSR1);
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 * i}) == 0);
    }
    CHECK(order[0] == 0);
    CHECK(sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN) && !sigismember(&pending, SIGTERM));
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(sigpending(&pending) == 0 && sigisemptyset(&pending));
        CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0 && sigismember(&set, SIGUSR1));
        _exit(0);
    }
    // The end of the child makes SIGCHLD pending here, too, which is ignored by default.
    reap_exit(child, 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    CHECK(strcmp(order, "0:0 1:10 1:20 1:30 2:1 2:2 2:3 ") == 0);
    CHECK(sigpending(&pending) == 0 && sigisemptyset(&pending));
    CHECK_ERRNO(sigprocmask(77, &set, NULL), EINVAL);
    say("%s\n", order);
    return success();
}
