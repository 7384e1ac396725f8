// An eventfd adds up what is written, gives it back at once or one by one, and polls.
#include "guest.h"
#include <poll.h>
#include <sys/eventfd.h>

int main(void) {
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), semaphore = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    uint64_t value = 4;
    CHECK(fd >= 0 && semaphore >= 0 && write(fd, &value, 8) == 8);
    CHECK(read(fd, &value, 8) == 8 && value == 7);
    CHECK_ERRNO(read(fd, &value, 8), EAGAIN);
    CHECK(read(semaphore, &value, 8) == 8 && value == 1 && read(semaphore, &value, 8) == 8 && value == 1);
    CHECK_ERRNO(read(semaphore, &value, 8), EAGAIN);
    value = ~0ul;
    CHECK_ERRNO(write(fd, &value, 8), EINVAL);
    CHECK_ERRNO(write(fd, &value, 4), EINVAL);
    pid_t child = fork_checked();
    if (child == 0) {
        value = (uint64_t)getpid();
        CHECK(write(fd, &value, 8) == 8);
        _exit(0);
    }
    struct pollfd poll_fd = {fd, POLLIN, 0};
    CHECK(poll(&poll_fd, 1, 5000) == 1 && eventfd_read(fd, &value) == 0 && value == (uint64_t)child);
    reap_exit(child, 0);
    say("child %lu\n", (unsigned long)value);
    return success();
}
