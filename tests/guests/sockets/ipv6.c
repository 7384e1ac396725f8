// TCP over ::1, and an IPv4 client that a dual-stack server sees as a mapped address.
#include "loopback.h"

int main(void) {
    int server = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}, peer;
    if (server == -1)
        SKIP("there is no IPv6 here");
    if (bind(server, (struct sockaddr *)&address, sizeof address) == -1)
        SKIP("IPv6 is switched off here");
    socklen_t length = sizeof address;
    CHECK(listen(server, 4) == 0 && getsockname(server, (struct sockaddr *)&address, &length) == 0);
    int fd = connected(ntohs(address.sin6_port));
    length = sizeof peer;
    CHECK(accept(server, (struct sockaddr *)&peer, &length) >= 0 && IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
    int other = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = address.sin6_port};
    if (connect(other, (struct sockaddr *)&to, sizeof to) == -1)
        SKIP("::1 is not configured here");
    length = sizeof peer;
    CHECK(accept(server, (struct sockaddr *)&peer, &length) >= 0 && IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr));
    char text[INET6_ADDRSTRLEN];
    say("%s port %d fd %d\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text), ntohs(peer.sin6_port), fd);
    return success();
}
