// fcntl reads and sets flags; dup, dup2 and dup3 share the description and not the descriptor's own flag.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    int copy = dup(fd);
    CHECK(fcntl(copy, F_GETFD) == 0);
    CHECK(fcntl(copy, F_SETFL, O_APPEND | O_NONBLOCK) == 0 && (fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
    CHECK(dup2(fd, 100) == 100 && dup2(100, 100) == 100);
    CHECK(dup3(fd, 101, O_CLOEXEC) == 101 && fcntl(101, F_GETFD) == FD_CLOEXEC);
    CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
    CHECK_ERRNO(dup2(999, 5), EBADF);
    CHECK_ERRNO(dup2(fd, -1), EBADF);
    CHECK(fcntl(fd, F_DUPFD, 50) == 50 && fcntl(fd, F_DUPFD_CLOEXEC, 50) == 51);
    CHECK(close(50) == 0);
    CHECK_ERRNO(close(50), EBADF);
    CHECK(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_GETOWN) == getpid());
    // kcmp tells whether two descriptors are the same file, where it is allowed.
    long same = syscall(SYS_kcmp, getpid(), getpid(), 0, fd, copy);
    CHECK(same == 0 || same == -1);
    say("fd %d copy %d\n", fd, copy);
    return success();
}
