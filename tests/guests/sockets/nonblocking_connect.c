// A non-blocking connect is in progress, polls writable, and SO_ERROR gives its outcome, good or bad.
#include "loopback.h"

int main(void) {
    uint16_t port, dead_port;
    int server = listening(&port), holder = bound(SOCK_STREAM, &dead_port);
    for (int way = 0; way < 2; way++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct sockaddr_in address = loopback(way == 0 ? port : dead_port);
        int result = connect(fd, (struct sockaddr *)&address, sizeof address);
        CHECK(result == 0 || errno == EINPROGRESS || (way == 1 && errno == ECONNREFUSED));
        if (result == 0 || errno == EINPROGRESS) {
            struct pollfd poll_fd = {fd, POLLOUT, 0};
            CHECK(poll(&poll_fd, 1, 5000) == 1);
            int error;
            socklen_t length = sizeof error;
            CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
            CHECK(error == (way == 0 ? 0 : ECONNREFUSED));
        }
    }
    say("ports %d %d, holder %d, server %d\n", port, dead_port, holder, server);
    return success();
}
