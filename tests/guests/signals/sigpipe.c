// Writing to a pipe without a reader raises SIGPIPE: death by default, a handler's call, or EPIPE alone when it is ignored.
#include "guest.h"

static volatile int seen;

static void handler(int number) { seen = number; }

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0 && close(pipes[0]) == 0);
    signal(SIGPIPE, SIG_DFL);
    pid_t child = fork_checked();
    if (child == 0) {
        (void)!write(pipes[1], "x", 1);
        _exit(0);
    }
    reap_killed(child, SIGPIPE);
    install(SIGPIPE, handler, 0);
    CHECK_ERRNO(write(pipes[1], "x", 1), EPIPE);
    CHECK(seen == SIGPIPE);
    seen = 0;
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(pipes[1], "x", 1), EPIPE);
    CHECK(seen == 0);
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && close(sockets[0]) == 0);
    install(SIGPIPE, handler, 0);
    CHECK_ERRNO(send(sockets[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(seen == 0);
    CHECK_ERRNO(send(sockets[1], "x", 1, 0), EPIPE);
    CHECK(seen == SIGPIPE);
    say("child %d\n", (int)child);
    return success();
}
