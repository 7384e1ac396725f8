// A program that closes every descriptor number it can have still forks, execs, and gets its numbers from the lowest on.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        CHECK(fcntl(10, F_GETFD) == -1);
        say("exec after closing, pid %d\n", (int)getpid());
        return success();
    }
    int keep = dup(1);
    CHECK(keep >= 0);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int top = limit.rlim_cur > 70000 ? 70000 : (int)limit.rlim_cur;
    for (int fd = 3; fd < top; fd++)
        if (fd != keep)
            close(fd);
    CHECK(dup2(keep, 1) == 1 && (keep == 1 || close(keep) == 0));
    for (int fd = 3; fd < top; fd++)
        CHECK_ERRNO(close(fd), EBADF);
    pid_t child = fork_checked();
    if (child == 0) {
        say("child %d\n", (int)getpid());
        _exit(3);
    }
    reap_exit(child, 3);
    child = fork_checked();
    if (child == 0) {
        for (int fd = 0; fd < top; fd++)
            close(fd);
        CHECK(open("/dev/null", O_RDWR) == 0 && open("/dev/null", O_RDWR) == 1);
        execl(self_path(), "close_everything", "second", (char *)NULL);
        _exit(1);
    }
    reap_exit(child, 0);
    CHECK(open("/dev/null", O_RDONLY) == 3);
    execl(self_path(), "close_everything", "second", (char *)NULL);
    CHECK(!"exec");
}
