// close_range closes a span and everything, marks for exec, and the program goes on with fork and exec.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        for (int fd = 3; fd < 100; fd++)
            CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
        return success();
    }
    CHECK(close_range(3, ~0u, 0) == 0);
    for (int fd = 10; fd < 20; fd++)
        CHECK(dup2(0, fd) == fd);
    CHECK(close_range(12, 14, 0) == 0);
    for (int fd = 10; fd < 20; fd++)
        CHECK((fcntl(fd, F_GETFD) == -1) == (fd >= 12 && fd <= 14));
    CHECK(close_range(18, ~0u, CLOSE_RANGE_CLOEXEC) == 0);
    CHECK(fcntl(17, F_GETFD) == 0 && fcntl(18, F_GETFD) == FD_CLOEXEC);
    CHECK_ERRNO(close_range(9, 8, 0), EINVAL);
    CHECK(close_range(10, 17, 0) == 0);
    say("pid %d\n", (int)getpid());
    pid_t child = fork_checked();
    if (child == 0)
        _exit(0);
    reap_exit(child, 0);
    execl(self_path(), "close_range", "second", (char *)NULL);
    CHECK(!"exec");
}
