// Eight megabytes over TCP in both directions at once, with partial writes, driven by poll.
#include "loopback.h"

#define TOTAL (4u << 20)

static unsigned char at(size_t offset) { return (unsigned char)(offset * 13 + offset / 4099); }

static void exchange(int fd) {
    static unsigned char bytes[65536];
    size_t sent = 0, received = 0, calls = 0;
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    while (sent < TOTAL || received < TOTAL) {
        struct pollfd poll_fd = {.fd = fd, .events = (short)((sent < TOTAL ? POLLOUT : 0) | (received < TOTAL ? POLLIN : 0))};
        CHECK(poll(&poll_fd, 1, 10000) == 1);
        calls++;
        if (poll_fd.revents & POLLOUT) {
            size_t length = TOTAL - sent < sizeof bytes ? TOTAL - sent : sizeof bytes;
            for (size_t i = 0; i < length; i++)
                bytes[i] = at(sent + i);
            ssize_t wrote = send(fd, bytes, length, 0);
            CHECK(wrote > 0 || errno == EAGAIN);
            if (wrote > 0)
                sent += (size_t)wrote;
        }
        if (poll_fd.revents & POLLIN) {
            ssize_t got = recv(fd, bytes, sizeof bytes, 0);
            CHECK(got > 0 || errno == EAGAIN);
            for (ssize_t i = 0; i < got; i++)
                CHECK(bytes[i] == at(received + (size_t)i));
            if (got > 0)
                received += (size_t)got;
        }
    }
    say("%zu calls\n", calls);
}

int main(void) {
    uint16_t port;
    int server = listening(&port);
    pid_t child = fork_checked();
    if (child == 0) {
        exchange(connected(port));
        _exit(0);
    }
    exchange(accept(server, NULL, NULL));
    reap_exit(child, 0);
    return success();
}
