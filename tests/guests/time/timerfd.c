// A timerfd counts expirations, polls readable, fires at an absolute time, and says how long it still takes.
#include "guest.h"
#include <poll.h>
#include <sys/timerfd.h>

int main(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(fd >= 0);
    uint64_t count;
    struct itimerspec timer = {{0, 10000000}, {0, 10000000}}, left;
    CHECK(timerfd_settime(fd, 0, &timer, NULL) == 0);
    CHECK_ERRNO(read(fd, &count, sizeof count), EAGAIN);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    uint64_t total = 0;
    while (total < 5) {
        CHECK(poll(&poll_fd, 1, 5000) == 1 && read(fd, &count, sizeof count) == sizeof count && count >= 1);
        total += count;
    }
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_interval.tv_nsec == 10000000 && left.it_value.tv_nsec <= 10000000);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &timer.it_value) == 0);
    timer.it_interval = (struct timespec){0, 0};
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &timer, NULL) == 0);
    CHECK(poll(&poll_fd, 1, 5000) == 1 && read(fd, &count, sizeof count) == sizeof count && count == 1);
    say("%lu expirations, %ld ns left\n", (unsigned long)total, left.it_value.tv_nsec);
    return success();
}
