// A signal that a process sends to itself is handled before kill returns.
#include "guest.h"

static volatile int count, last;

static void handler(int number) {
    count++;
    last = number;
}

int main(void) {
    install(SIGUSR1, handler, 0);
    install(SIGRTMIN + 3, handler, 0);
    for (int i = 1; i <= 100; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(count == i && last == SIGUSR1);
    }
    CHECK(raise(SIGRTMIN + 3) == 0 && last == SIGRTMIN + 3);
    CHECK(syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1) == 0 && count == 102);
    CHECK(kill(getpid(), 0) == 0);
    CHECK_ERRNO(kill(getpid(), 999), EINVAL);
    CHECK_ERRNO(kill(0x3fffffff, SIGUSR1), ESRCH);
    say("pid %d handled %d\n", (int)getpid(), count);
    return success();
}
