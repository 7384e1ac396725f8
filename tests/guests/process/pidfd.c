// A pidfd is polled for the end of its process, carries signals, and is waited on.
#include "guest.h"
#include <poll.h>

int main(void) {
    pid_t child = fork_checked();
    if (child == 0)
        for (;;)
            pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd == -1 && errno == ENOSYS) {
        kill(child, SIGKILL);
        SKIP("pidfd_open is not there");
    }
    CHECK(fd >= 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
    CHECK(poll(&poll_fd, 1, 5000) == 1 && (poll_fd.revents & POLLIN));
    siginfo_t info;
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_status == SIGTERM && info.si_code == CLD_KILLED);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    say("child %d\n", (int)child);
    return success();
}
