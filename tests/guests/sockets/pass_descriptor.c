// A descriptor passed over a unix socket is the same open file, with its offset; several come in order; a cut one is closed.
#include "guest.h"

int main(void) {
    enter_scratch();
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    char byte = 'x', room[CMSG_SPACE(3 * sizeof(int))] __attribute__((aligned(8))) = {0};
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    pid_t child = fork_checked();
    if (child == 0) {
        write_file("file", "0123456789");
        int file = open("file", O_RDONLY), pipes[2];
        CHECK(lseek(file, 5, SEEK_SET) == 5 && pipe(pipes) == 0);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(3 * sizeof(int));
        memcpy(CMSG_DATA(header), (int[]){file, pipes[0], pipes[1]}, 3 * sizeof(int));
        message.msg_controllen = CMSG_SPACE(3 * sizeof(int));
        CHECK(sendmsg(pair[1], &message, 0) == 1);
        dprintf(pipes[1], "child %d", (int)getpid());
        _exit(0);
    }
    CHECK(recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC) == 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(3 * sizeof(int)));
    int passed[3];
    memcpy(passed, CMSG_DATA(header), sizeof passed);
    reap_exit(child, 0);
    char text[32] = "";
    CHECK(read(passed[0], text, 32) == 5 && memcmp(text, "56789", 5) == 0);
    CHECK(fcntl(passed[0], F_GETFD) == FD_CLOEXEC);
    CHECK(close(passed[2]) == 0 && read(passed[1], text, 32) > 6 && atoi(text + 6) == child);
    say("passed as %d %d %d\n", passed[0], passed[1], passed[2]);
    return success();
}
