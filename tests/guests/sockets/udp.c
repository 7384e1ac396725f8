// Datagrams keep their boundaries and senders; long ones are cut, with MSG_TRUNC saying by how much; empty ones arrive.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = bound(SOCK_DGRAM, &port);
    pid_t child = fork_checked();
    if (child == 0) {
        uint16_t own;
        int fd = bound(SOCK_DGRAM, &own);
        struct sockaddr_in to = loopback(port);
        char text[32], reply[32] = "";
        snprintf(text, sizeof text, "from %05d", own);
        CHECK(sendto(fd, text, 10, 0, (struct sockaddr *)&to, sizeof to) == 10);
        CHECK(sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof to) == 0);
        CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, "a longer one", 12, 0) == 12);
        CHECK(recv(fd, reply, sizeof reply, 0) == 5 && strcmp(reply, "reply") == 0);
        _exit(0);
    }
    char text[64] = "", expected[64];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    CHECK(recvfrom(server, text, sizeof text, 0, (struct sockaddr *)&from, &length) == 10);
    snprintf(expected, sizeof expected, "from %05d", ntohs(from.sin_port));
    CHECK(strcmp(text, expected) == 0);
    CHECK(recv(server, text, sizeof text, 0) == 0);
    CHECK(recv(server, text, 5, MSG_TRUNC) == 12 && memcmp(text, "a lon", 5) == 0);
    CHECK(sendto(server, "reply", 5, 0, (struct sockaddr *)&from, sizeof from) == 5);
    CHECK_ERRNO(recv(server, text, 5, MSG_DONTWAIT), EAGAIN);
    reap_exit(child, 0);
    say("port %d %s\n", port, expected);
    return success();
}
