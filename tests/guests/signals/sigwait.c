// sigwait, sigwaitinfo and sigtimedwait take pending signals without a handler; time out with EAGAIN; report what else interrupts.
#include "guest.h"

static volatile int handled;

static void handler(int number) { handled = number; }

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    struct timespec soon = {0, 20000000}, never = {10, 0}, at_once = {0, 0};
    siginfo_t info;
    CHECK_ERRNO(sigtimedwait(&set, &info, &at_once), EAGAIN);
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
    CHECK(raise(SIGUSR1) == 0);
    int number;
    CHECK(sigwait(&set, &number) == 0 && number == SIGUSR1);
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5}) == 0);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 5 && info.si_pid == getpid());
    pid_t child = fork_checked();
    if (child == 0) {
        sleep_ms(20);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK(sigtimedwait(&set, &info, &never) == SIGUSR1 && info.si_pid == child);
    reap_exit(child, 0);
    install(SIGALRM, handler, 0);
    struct itimerval timer = {{0, 0}, {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK_ERRNO(sigtimedwait(&set, &info, &never), EINTR);
    CHECK(handled == SIGALRM);
    say("child %d\n", (int)child);
    return success();
}
