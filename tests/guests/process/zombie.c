// An ended child stays a zombie in /proc until it is reaped, or goes at once when SIGCHLD is ignored.
#include "guest.h"

int main(void) {
    pid_t child = fork_checked();
    if (child == 0)
        _exit(0);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    char path[64], text[1000];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    read_file(path, text, sizeof text);
    CHECK(strrchr(text, ')')[2] == 'Z');
    CHECK(kill(child, 0) == 0);
    reap_exit(child, 0);
    CHECK_ERRNO(kill(child, 0), ESRCH);
    CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
    signal(SIGCHLD, SIG_IGN);
    child = fork_checked();
    if (child == 0)
        _exit(0);
    CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
    say("%s", text);
    return success();
}
