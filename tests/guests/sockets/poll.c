// poll and ppoll report readable, writable, hung-up and invalid descriptors, time out, and skip negative ones.
#include "guest.h"
#include <poll.h>

int main(void) {
    int first[2], second[2];
    CHECK(pipe(first) == 0 && pipe(second) == 0);
    struct pollfd fds[5] = {{first[0], POLLIN, 0}, {first[1], POLLOUT, 0}, {second[0], POLLIN, 0}, {-1, POLLIN, 0x7f}, {999, POLLIN, 0}};
    CHECK(poll(fds, 5, 1000) == 2);
    CHECK(fds[0].revents == 0 && fds[1].revents == POLLOUT && fds[2].revents == 0 && fds[3].revents == 0 && fds[4].revents == POLLNVAL);
    CHECK(poll(fds, 1, 10) == 0 && poll(fds, 1, 0) == 0);
    write_all(first[1], "x", 1);
    CHECK(close(second[1]) == 0);
    CHECK(poll(fds, 4, -1) == 3 && fds[0].revents == POLLIN && fds[2].revents == POLLHUP);
    struct timespec limit = {0, 10000000};
    CHECK(close(first[0]) == 0);
    CHECK(ppoll(fds + 1, 1, &limit, NULL) == 1 && (fds[1].revents & POLLERR));
    pid_t child = fork_checked();
    int third[2];
    CHECK(pipe(third) == 0);
    if (child == 0)
        _exit(0);
    reap_exit(child, 0);
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    struct pollfd quiet = {third[0], POLLIN, 0};
    CHECK(poll(&quiet, 1, 25) == 0 && now_ns(CLOCK_MONOTONIC) - before >= 24000000);
    CHECK(poll(NULL, 0, 5) == 0);
    say("waited %lu ns\n", (unsigned long)(now_ns(CLOCK_MONOTONIC) - before));
    return success();
}
