// FIONREAD, isatty on what is no terminal, FIOCLEX, FIONBIO, and an unknown request.
#include "guest.h"
#include <sys/ioctl.h>

int main(void) {
    int pipes[2], available = -1, on = 1;
    CHECK(pipe(pipes) == 0);
    CHECK(ioctl(pipes[0], FIONREAD, &available) == 0 && available == 0);
    write_all(pipes[1], "12345", 5);
    CHECK(ioctl(pipes[0], FIONREAD, &available) == 0 && available == 5);
    CHECK(!isatty(pipes[0]) && errno == ENOTTY);
    CHECK(ioctl(pipes[0], FIOCLEX) == 0 && fcntl(pipes[0], F_GETFD) == FD_CLOEXEC);
    CHECK(ioctl(pipes[0], FIONCLEX) == 0 && fcntl(pipes[0], F_GETFD) == 0);
    CHECK(ioctl(pipes[0], FIONBIO, &on) == 0 && (fcntl(pipes[0], F_GETFL) & O_NONBLOCK));
    CHECK_ERRNO(ioctl(pipes[0], 0x12345678, &on), ENOTTY);
    CHECK_ERRNO(ioctl(999, FIONREAD, &available), EBADF);
    say("stdout a terminal: %d\n", isatty(1));
    return success();
}
