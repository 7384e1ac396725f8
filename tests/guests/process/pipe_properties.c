// A pipe's capacity, its end-of-file, EAGAIN without blocking, packet mode, and EPIPE without a reader.
#include "guest.h"

int main(void) {
    int pipes[2];
    CHECK(pipe2(pipes, O_NONBLOCK) == 0);
    int capacity = fcntl(pipes[1], F_GETPIPE_SZ);
    CHECK(capacity >= 4096);
    static char bytes[1 << 20];
    ssize_t filled = 0, wrote;
    while ((wrote = write(pipes[1], bytes, 4096)) > 0)
        filled += wrote;
    CHECK(wrote == -1 && errno == EAGAIN && filled == capacity);
    CHECK(read(pipes[0], bytes, sizeof bytes) == filled);
    CHECK_ERRNO(read(pipes[0], bytes, 1), EAGAIN);
    CHECK(fcntl(pipes[1], F_SETPIPE_SZ, 8192) == 8192);
    CHECK(close(pipes[1]) == 0);
    CHECK(read(pipes[0], bytes, 1) == 0);
    CHECK(pipe2(pipes, O_DIRECT) == 0);
    CHECK(write(pipes[1], "one", 3) == 3 && write(pipes[1], "three", 5) == 5);
    CHECK(read(pipes[0], bytes, 100) == 3 && read(pipes[0], bytes, 100) == 5);
    signal(SIGPIPE, SIG_IGN);
    CHECK(close(pipes[0]) == 0);
    CHECK_ERRNO(write(pipes[1], "x", 1), EPIPE);
    say("capacity %d\n", capacity);
    return success();
}
