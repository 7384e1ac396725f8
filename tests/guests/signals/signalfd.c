// signalfd delivers blocked signals as records to read, with their senders, and polls readable.
#include "guest.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0);
    struct signalfd_siginfo infos[4];
    CHECK_ERRNO(read(fd, infos, sizeof infos), EAGAIN);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(read(fd, infos, sizeof infos) == sizeof infos[0]);
    CHECK(infos[0].ssi_signo == SIGUSR1 && infos[0].ssi_pid == (uint32_t)getpid());
    pid_t child = fork_checked();
    if (child == 0)
        _exit(9);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 5000) == 1);
    CHECK(read(fd, infos, sizeof infos) == sizeof infos[0]);
    CHECK(infos[0].ssi_signo == SIGCHLD && infos[0].ssi_pid == (uint32_t)child && infos[0].ssi_status == 9);
    reap_exit(child, 9);
    say("child %d user %u\n", (int)infos[0].ssi_pid, infos[0].ssi_uid);
    return success();
}
