// getsockopt and setsockopt for sockets and TCP read back what was set, with the lengths that the kernel gives.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port), client = connected(port), value = 1;
    socklen_t length = sizeof value;
    CHECK(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1);
    CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0);
    value = 0;
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value != 0 && length == 4);
    value = 65536;
    CHECK(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &value, sizeof value) == 0);
    CHECK(getsockopt(client, SOL_SOCKET, SO_RCVBUF, &value, &length) == 0 && value >= 65536);
    CHECK(getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);
    CHECK(getsockopt(client, SOL_SOCKET, SO_DOMAIN, &value, &length) == 0 && value == AF_INET);
    value = 1;
    CHECK(setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value) == 0);
    CHECK(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value) == 0);
    struct linger linger = {1, 5}, seen;
    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    length = sizeof seen;
    CHECK(getsockopt(client, SOL_SOCKET, SO_LINGER, &seen, &length) == 0 && seen.l_onoff == 1 && seen.l_linger == 5);
    struct tcp_info info;
    length = sizeof info;
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_ESTABLISHED);
    uint64_t cookie = 0;
    length = sizeof cookie;
    CHECK(getsockopt(client, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 && cookie != 0);
    length = 2;
    short small;
    CHECK(getsockopt(client, SOL_SOCKET, SO_TYPE, &small, &length) == 0 && length == 2 && small == SOCK_STREAM);
    CHECK_ERRNO(getsockopt(client, SOL_SOCKET, 9999, &value, &length), ENOPROTOOPT);
    say("rtt %u cookie %lx\n", info.tcpi_rtt, (unsigned long)cookie);
    return success();
}
