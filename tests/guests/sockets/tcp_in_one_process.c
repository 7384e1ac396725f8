// One process is its own server and client: the connection waits in the backlog until it is accepted.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port), client = connected(port);
    int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(accepted >= 0 && (fcntl(accepted, F_GETFL) & O_NONBLOCK));
    char text[10];
    CHECK_ERRNO(recv(accepted, text, sizeof text, 0), EAGAIN);
    CHECK(send(client, "hello", 5, 0) == 5);
    struct pollfd poll_fd = {.fd = accepted, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 5000) == 1);
    CHECK(recv(accepted, text, sizeof text, MSG_PEEK) == 5 && recv(accepted, text, sizeof text, 0) == 5);
    CHECK(memcmp(text, "hello", 5) == 0);
    CHECK(fcntl(server, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERRNO(accept(server, NULL, NULL), EAGAIN);
    say("port %d fds %d %d %d\n", port, server, client, accepted);
    return success();
}
