// sendmmsg and recvmmsg move several datagrams in one call, sendmsg and recvmsg gather and scatter.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = bound(SOCK_DGRAM, &port), client = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = loopback(port);
    CHECK(connect(client, (struct sockaddr *)&to, sizeof to) == 0);
    char texts[5][16], buffers[8][16];
    struct iovec out[5][2], in[8];
    struct mmsghdr messages[5] = {0}, received[8] = {0};
    struct sockaddr_in from[8];
    for (int i = 0; i < 5; i++) {
        snprintf(texts[i], sizeof texts[i], "part %d", i);
        out[i][0] = (struct iovec){"a ", 2};
        out[i][1] = (struct iovec){texts[i], 6};
        messages[i].msg_hdr.msg_iov = out[i];
        messages[i].msg_hdr.msg_iovlen = 2;
    }
    CHECK(sendmmsg(client, messages, 5, 0) == 5 && messages[4].msg_len == 8);
    for (int i = 0; i < 8; i++) {
        in[i] = (struct iovec){buffers[i], sizeof buffers[i]};
        received[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &in[i], .msg_iovlen = 1};
    }
    CHECK(recvmmsg(server, received, 8, MSG_DONTWAIT, NULL) == 5);
    for (int i = 0; i < 5; i++) {
        CHECK(received[i].msg_len == 8 && memcmp(buffers[i], "a part ", 7) == 0 && buffers[i][7] == '0' + i);
        CHECK(received[i].msg_hdr.msg_namelen == sizeof from[i] && from[i].sin_port == from[0].sin_port);
    }
    struct timespec limit = {0, 20000000};
    CHECK_ERRNO(recvmmsg(server, received, 8, MSG_DONTWAIT, &limit), EAGAIN);
    say("from port %d\n", ntohs(from[0].sin_port));
    return success();
}
