// One process with epoll serves twenty connections of four client processes, whose requests come in any order.
#include "loopback.h"
#include <sys/epoll.h>

int main(void) {
    uint16_t port;
    int server = listening(&port), epoll = epoll_create1(0);
    for (int client = 0; client < 4; client++) {
        if (fork_checked() == 0) {
            int fds[5];
            for (int i = 0; i < 5; i++)
                fds[i] = connected(port);
            for (int round = 0; round < 10; round++)
                for (int i = 0; i < 5; i++) {
                    char text[6];
                    CHECK(write(fds[i], "ping\n", 5) == 5);
                    read_all(fds[i], text, 5);
                    CHECK(memcmp(text, "pong\n", 5) == 0);
                }
            _exit(0);
        }
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server}, events[16];
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0);
    int accepted = 0, closed = 0, served = 0;
    char order[1100] = "";
    while (closed < 20) {
        int count = epoll_wait(epoll, events, 16, 10000);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == server) {
                event.data.fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
                CHECK(event.data.fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
                accepted++;
                continue;
            }
            char text[100];
            ssize_t got = read(fd, text, sizeof text);
            if (got == 0) {
                CHECK(close(fd) == 0);
                closed++;
            } else {
                CHECK(got == 5 && write(fd, "pong\n", 5) == 5);
                order[served++] = (char)('a' + fd % 26);
            }
        }
    }
    CHECK(accepted == 20 && served == 200);
    while (wait(NULL) > 0)
        ;
    say("%s\n", order);
    return success();
}
