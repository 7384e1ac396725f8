// A program that blocks every signal, SIGSYS among them, goes on making system calls, and sees its own mask unchanged.
#include "guest.h"

int main(void) {
    sigset_t all, seen;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(syscall(SYS_getppid) > 0 || getppid() == 0);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &seen) == 0);
    CHECK(sigismember(&seen, SIGSYS) && sigismember(&seen, SIGSEGV) && sigismember(&seen, SIGTRAP));
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(sigprocmask(SIG_SETMASK, NULL, &seen) == 0 && sigismember(&seen, SIGSYS));
        execl("/bin/sh", "sh", "-c", "echo shell with every signal blocked: $$; /bin/true", (char *)NULL);
        _exit(127);
    }
    reap_exit(child, 0);
    signal(SIGSYS, SIG_IGN);
    CHECK(getppid() == getppid());
    struct sigaction action;
    CHECK(sigaction(SIGSYS, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    char text[8192];
    read_file("/proc/self/status", text, sizeof text);
    CHECK(strstr(text, "SigBlk:"));
    say("pid %d\n", (int)getpid());
    return success();
}
