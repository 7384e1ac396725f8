// shutdown ends one direction at a time, and the other side sees the end; a reset is ECONNRESET.
#include "loopback.h"

int main(void) {
    int pair[2];
    char text[10];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(write(pair[0], "last", 4) == 4 && shutdown(pair[0], SHUT_WR) == 0);
    CHECK(read(pair[1], text, 10) == 4 && read(pair[1], text, 10) == 0);
    CHECK(write(pair[1], "back", 4) == 4 && read(pair[0], text, 10) == 4);
    CHECK_ERRNO(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_ERRNO(shutdown(pair[0], 99), EINVAL);
    uint16_t port;
    int server = listening(&port), client = connected(port), accepted = accept(server, NULL, NULL);
    struct linger hard = {1, 0};
    CHECK(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0 && close(accepted) == 0);
    CHECK_ERRNO(read(client, text, 10), ECONNRESET);
    int error = -1;
    socklen_t length = sizeof error;
    CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);
    say("port %d\n", port);
    return success();
}
