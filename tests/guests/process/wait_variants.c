// waitpid, wait4, waitid with WNOHANG, WNOWAIT and group selection report each child as it is.
#include "guest.h"

int main(void) {
    int gate[2], status;
    CHECK(pipe(gate) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        char byte;
        close(gate[1]);
        read(gate[0], &byte, 1);
        _exit(11);
    }
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    siginfo_t info = {0};
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    CHECK(close(gate[1]) == 0);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 11 && info.si_signo == SIGCHLD);
    CHECK(info.si_uid == getuid());
    struct rusage usage;
    CHECK(wait4(child, &status, 0, &usage) == child && WEXITSTATUS(status) == 11);
    say("child %d took %ld us, %ld KiB\n", (int)child, (long)usage.ru_utime.tv_usec, usage.ru_maxrss);
    CHECK_ERRNO(waitpid(child, &status, 0), ECHILD);
    CHECK_ERRNO(waitid(P_PID, (id_t)child, &info, WEXITED), ECHILD);
    CHECK_ERRNO(waitid(P_PID, (id_t)child, &info, 0), EINVAL);
    CHECK_ERRNO(waitpid(-1, &status, 0x40000), EINVAL);
    child = fork_checked();
    if (child == 0) {
        CHECK(setpgid(0, 0) == 0);
        _exit(12);
    }
    setpgid(child, child);
    CHECK(waitpid(-child, &status, 0) == child && WEXITSTATUS(status) == 12);
    child = fork_checked();
    if (child == 0)
        abort();
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_status == SIGABRT && (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED));
    return success();
}
