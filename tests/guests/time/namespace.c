// A child in a time namespace whose clock is an hour behind tells the time there; the wall clock is the same.
#include "guest.h"
#include <fcntl.h>
#include <sched.h>
#include <time.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static time_t seconds(clockid_t clock) {
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return now.tv_sec;
}

int main(void) {
    time_t before = seconds(CLOCK_MONOTONIC), wall = seconds(CLOCK_REALTIME);
    static const char AHEAD[] = "monotonic 3600 0\n";
    int fd = unshare(CLONE_NEWTIME) == 0 ? open("/proc/self/timens_offsets", O_WRONLY) : -1;
    if (fd < 0 || write(fd, AHEAD, sizeof AHEAD - 1) != sizeof AHEAD - 1) {
        say("no time namespaces for this user\n");
        return success();
    }
    CHECK(close(fd) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        time_t ahead = seconds(CLOCK_MONOTONIC) - before;
        CHECK(ahead >= 3600 && ahead < 3660 && seconds(CLOCK_REALTIME) - wall < 60);
        _exit(0);
    }
    reap_exit(child, 0);
    CHECK(seconds(CLOCK_MONOTONIC) - before < 60);
    return success();
}
