// dup2 and F_DUPFD onto the highest numbers that the limit allows work and are the program's own.
#include "guest.h"

int main(int argc, char **argv) {
    struct rlimit limit = {1024, 1024};
    if (argc > 1) {
        int top = atoi(argv[1]);
        CHECK(write(top, "through the highest, after exec\n", 32) == 32);
        CHECK_ERRNO(fcntl(top - 1, F_GETFD), EBADF);
        return success();
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int fd = 1000; fd < 1024; fd++) {
        CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
        CHECK(dup2(1, fd) == fd);
        CHECK(dprintf(fd, "fd %d\n", fd) > 0);
    }
    CHECK_ERRNO(dup2(1, 1024), EBADF);
    CHECK_ERRNO(fcntl(1, F_DUPFD, 1024), EINVAL);
    for (int fd = 1000; fd < 1023; fd++)
        CHECK(close(fd) == 0);
    CHECK(fcntl(1, F_DUPFD_CLOEXEC, 1022) == 1022);
    pid_t child = fork_checked();
    if (child == 0)
        _exit(write(1023, "child\n", 6) == 6 ? 0 : 1);
    reap_exit(child, 0);
    execl(self_path(), "high_descriptors", "1023", (char *)NULL);
    CHECK(!"exec");
}
