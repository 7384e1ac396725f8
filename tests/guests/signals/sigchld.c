// A SIGCHLD handler reaps every child, also those that end while it runs.
#include "guest.h"

static volatile int reaped, sum;

static void handler(int number) {
    (void)number;
    int status, saved = errno;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        sum += WEXITSTATUS(status);
        reaped++;
    }
    errno = saved;
}

int main(void) {
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    install(SIGCHLD, handler, SA_RESTART | SA_NOCLDSTOP);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    for (int i = 0; i < 30; i++)
        if (fork_checked() == 0)
            _exit(i);
    while (reaped < 30)
        sigsuspend(&old);
    CHECK(sum == 29 * 30 / 2);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    say("pid %d\n", (int)getpid());
    return success();
}
