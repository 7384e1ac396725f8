// MSG_PEEK leaves data, MSG_WAITALL waits for all of it, scattered receives fill their pieces in turn.
#include "guest.h"

int main(void) {
    int pair[2];
    char text[16] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        for (int i = 0; i < 10; i++) {
            CHECK(send(pair[1], &"0123456789"[i], 1, 0) == 1);
            sleep_ms(2);
        }
        CHECK(send(pair[1], "abcdef", 6, 0) == 6);
        _exit(0);
    }
    CHECK(recv(pair[0], text, 1, MSG_PEEK) == 1 && text[0] == '0');
    CHECK(recv(pair[0], text, 10, MSG_WAITALL) == 10 && memcmp(text, "0123456789", 10) == 0);
    reap_exit(child, 0);
    char first[3] = "", second[5] = "";
    struct iovec pieces[2] = {{first, 2}, {second, 4}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    CHECK(recvmsg(pair[0], &message, MSG_PEEK) == 6 && recvmsg(pair[0], &message, 0) == 6);
    CHECK(strcmp(first, "ab") == 0 && strcmp(second, "cdef") == 0);
    CHECK_ERRNO(recv(pair[0], text, 1, MSG_DONTWAIT), EAGAIN);
    say("child %d\n", (int)child);
    return success();
}
