// Unix datagrams and sequenced packets keep boundaries; abstract names need no file and vanish with their socket.
#include "guest.h"

int main(void) {
    int pair[2];
    char text[100];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    CHECK(send(pair[0], "one", 3, 0) == 3 && send(pair[0], "three", 5, 0) == 5);
    CHECK(recv(pair[1], text, 2, 0) == 2 && recv(pair[1], text, 100, 0) == 5);
    CHECK(close(pair[0]) == 0 && recv(pair[1], text, 100, 0) == 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX}, from;
    int used = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "guest-%d-%lu", (int)getpid(), (unsigned long)now_ns(CLOCK_MONOTONIC));
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)used), from_length = sizeof from;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(bind(server, (struct sockaddr *)&address, length) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        // Binding to the family alone makes the kernel choose an abstract name.
        CHECK(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
        CHECK(sendto(fd, "from the child", 14, 0, (struct sockaddr *)&address, length) == 14);
        CHECK(recv(fd, text, sizeof text, 0) == 5);
        _exit(0);
    }
    CHECK(recvfrom(server, text, sizeof text, 0, (struct sockaddr *)&from, &from_length) == 14);
    CHECK(from.sun_path[0] == 0 && from_length == sizeof(sa_family_t) + 6);
    CHECK(sendto(server, "reply", 5, 0, (struct sockaddr *)&from, from_length) == 5);
    reap_exit(child, 0);
    CHECK(close(server) == 0);
    int late = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_ERRNO(connect(late, (struct sockaddr *)&address, length), ECONNREFUSED);
    say("%s answered %.5s\n", address.sun_path + 1, from.sun_path + 1);
    return success();
}
