// SO_PASSCRED adds the sender's pid and ids to each message.
#include "guest.h"

int main(void) {
    int pair[2], on = 1;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(send(pair[1], "hi", 2, 0) == 2);
        _exit(0);
    }
    char text[8], room[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8)));
    struct iovec piece = {text, sizeof text};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    CHECK(recvmsg(pair[0], &message, 0) == 2);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_CREDENTIALS);
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    CHECK(credentials.pid == child && credentials.uid == geteuid() && credentials.gid == getegid());
    reap_exit(child, 0);
    say("from %d\n", (int)credentials.pid);
    return success();
}
