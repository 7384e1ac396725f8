// With O_ASYNC a socket announces data by SIGIO to its owner.
#include "guest.h"

static volatile int seen;

static void handler(int number) { seen = number; }

int main(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    sigset_t blocked, open;
    sigemptyset(&open);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGIO);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    install(SIGIO, handler, 0);
    CHECK(fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(write(pair[1], "data", 4) == 4);
        _exit(0);
    }
    while (!seen)
        sigsuspend(&open);
    char text[10];
    CHECK(read(pair[0], text, 10) == 4);
    reap_exit(child, 0);
    say("child %d\n", (int)child);
    return success();
}
