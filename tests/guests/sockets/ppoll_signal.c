// ppoll, pselect and epoll_pwait let a blocked signal in while they wait, and put the mask back.
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile int seen;

static void handler(int number) { seen = number; }

static void send_soon(void) {
    seen = 0;
    if (fork_checked() == 0) {
        sleep_ms(20);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
}

static void check_after(void) {
    sigset_t now;
    CHECK(seen == SIGUSR1 && sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1));
    CHECK(wait(NULL) > 0);
}

int main(void) {
    sigset_t blocked, open;
    sigemptyset(&open);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    install(SIGUSR1, handler, SA_RESTART);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    struct timespec limit = {5, 0};
    send_soon();
    CHECK_ERRNO(ppoll(NULL, 0, &limit, &open), EINTR);
    check_after();
    send_soon();
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &limit, &open), EINTR);
    check_after();
    send_soon();
    int epoll = epoll_create1(0);
    struct epoll_event event;
    CHECK_ERRNO(epoll_pwait(epoll, &event, 1, 5000, &open), EINTR);
    check_after();
    say("pid %d\n", (int)getpid());
    return success();
}
