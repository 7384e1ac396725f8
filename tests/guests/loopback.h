// Sockets on the loopback interface, on ports that the kernel chooses.
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

__attribute__((unused)) static struct sockaddr_in loopback(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

__attribute__((unused)) static int bound(int type, uint16_t *port) {
    int fd = socket(AF_INET, type, 0);
    CHECK(fd >= 0);
    struct sockaddr_in address = loopback(0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == EADDRNOTAVAIL)
        SKIP("the loopback interface is down");
    socklen_t length = sizeof address;
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0 && length == sizeof address);
    *port = ntohs(address.sin_port);
    return fd;
}

__attribute__((unused)) static int listening(uint16_t *port) {
    int fd = bound(SOCK_STREAM, port);
    CHECK(listen(fd, 16) == 0);
    return fd;
}

__attribute__((unused)) static int connected(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(port);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

#endif
