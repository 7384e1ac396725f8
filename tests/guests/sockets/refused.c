// Connecting where nobody listens is ECONNREFUSED; binding a taken port EADDRINUSE; other misuse has its own errno.
#include "loopback.h"

int main(void) {
    uint16_t port, other_port;
    // Bound and not listening, so that nobody else can take the port meanwhile.
    int holder = bound(SOCK_STREAM, &port), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(port);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&address, sizeof address), ECONNREFUSED);
    CHECK(close(fd) == 0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERRNO(bind(fd, (struct sockaddr *)&address, sizeof address), EADDRINUSE);
    CHECK_ERRNO(getpeername(fd, (struct sockaddr *)&address, &(socklen_t){sizeof address}), ENOTCONN);
    CHECK_ERRNO(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_ERRNO(recv(fd, &address, 1, 0), ENOTCONN);
    CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
    CHECK_ERRNO(socket(AF_INET, 77, 0), EINVAL);
    CHECK_ERRNO(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&address, 3), EINVAL);
    CHECK_ERRNO(listen(0, 1), ENOTSOCK);
    int datagram = bound(SOCK_DGRAM, &other_port);
    CHECK_ERRNO(listen(datagram, 1), EOPNOTSUPP);
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/absent/socket"};
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERRNO(connect(local, (struct sockaddr *)&nowhere, sizeof nowhere), ENOENT);
    say("ports %d %d, holder %d\n", port, other_port, holder);
    return success();
}
