// A server and a client process talk over TCP: names and ports on both ends, data both ways, and the end.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port);
    pid_t child = fork_checked();
    if (child == 0) {
        close(server);
        int fd = connected(port);
        struct sockaddr_in own;
        socklen_t length = sizeof own;
        CHECK(getsockname(fd, (struct sockaddr *)&own, &length) == 0);
        dprintf(fd, "%d from %d", (int)getpid(), ntohs(own.sin_port));
        CHECK(shutdown(fd, SHUT_WR) == 0);
        char reply[100] = "";
        ssize_t got = 0, used = 0;
        while ((got = read(fd, reply + used, sizeof reply - 1 - (size_t)used)) > 0)
            used += got;
        CHECK(got == 0 && strcmp(reply, "good day") == 0);
        _exit(0);
    }
    struct sockaddr_in peer, again;
    socklen_t length = sizeof peer;
    int fd = accept(server, (struct sockaddr *)&peer, &length);
    CHECK(fd >= 0 && length == sizeof peer && peer.sin_family == AF_INET);
    length = sizeof again;
    CHECK(getpeername(fd, (struct sockaddr *)&again, &length) == 0 && again.sin_port == peer.sin_port);
    char text[100] = "", expected[100];
    ssize_t got = 0, used = 0;
    while ((got = read(fd, text + used, sizeof text - 1 - (size_t)used)) > 0)
        used += got;
    snprintf(expected, sizeof expected, "%d from %d", (int)child, ntohs(peer.sin_port));
    CHECK(strcmp(text, expected) == 0);
    write_all(fd, "good day", 8);
    CHECK(close(fd) == 0);
    reap_exit(child, 0);
    say("port %d: %s\n", port, text);
    return success();
}
