// SO_RCVTIMEO and SO_SNDTIMEO end a blocked call with EAGAIN after their time.
#include "guest.h"

int main(void) {
    int pair[2];
    char bytes[65536] = {0};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct timeval limit = {0, 30000};
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    CHECK_ERRNO(recv(pair[0], bytes, 1, 0), EAGAIN);
    uint64_t waited = now_ns(CLOCK_MONOTONIC) - before;
    CHECK(waited >= 29000000);
    ssize_t sent = 0, wrote;
    while ((wrote = send(pair[0], bytes, sizeof bytes, 0)) > 0)
        sent += wrote;
    CHECK(wrote == -1 && errno == EAGAIN && sent > 0);
    CHECK(send(pair[1], "x", 1, 0) == 1 && recv(pair[0], bytes, 10, 0) == 1);
    say("waited %lu ns, sent %zd\n", (unsigned long)waited, sent);
    return success();
}
