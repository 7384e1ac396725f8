// An urgent byte over TCP is announced by POLLPRI and received apart from the stream.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port), client = connected(port), accepted = accept(server, NULL, NULL);
    char text[10];
    CHECK(send(client, "abc", 3, 0) == 3 && send(client, "!", 1, MSG_OOB) == 1);
    struct pollfd poll_fd = {accepted, POLLPRI, 0};
    CHECK(poll(&poll_fd, 1, 5000) == 1 && (poll_fd.revents & POLLPRI));
    CHECK(recv(accepted, text, 1, MSG_OOB) == 1 && text[0] == '!');
    CHECK(recv(accepted, text, 10, 0) == 3 && memcmp(text, "abc", 3) == 0);
    CHECK_ERRNO(recv(accepted, text, 1, MSG_OOB), EINVAL);
    say("port %d\n", port);
    return success();
}
