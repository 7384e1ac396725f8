// clone with SIGCHLD alone is a fork; with another signal it announces the end by that one; clone3 and its id stores work.
#include "guest.h"
#include <linux/sched.h>
#include <sched.h>

static volatile int announced;

static void on_usr1(int number) { announced = number; }

static int child_main(void *argument) { return *(int *)argument; }

int main(void) {
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    CHECK(child >= 0);
    if (child == 0)
        _exit(31);
    reap_exit((pid_t)child, 31);
    pid_t stored = 0;
    child = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0, &stored, 0, 0);
    CHECK(child >= 0);
    if (child == 0)
        _exit(32);
    CHECK(stored == child);
    reap_exit((pid_t)child, 32);
    static char stack[65536] __attribute__((aligned(16)));
    int code = 33;
    install(SIGUSR1, on_usr1, 0);
    child = clone(child_main, stack + sizeof stack, SIGUSR1, &code);
    CHECK(child > 0);
    int status;
    while (waitpid((pid_t)child, &status, __WALL) != child)
        CHECK(errno == EINTR);
    CHECK(WEXITSTATUS(status) == 33 && announced == SIGUSR1);
    struct clone_args arguments = {.flags = 0, .exit_signal = SIGCHLD};
    child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == -1 && errno == ENOSYS)
        SKIP("clone3 is not there");
    CHECK(child >= 0);
    if (child == 0)
        _exit(34);
    reap_exit((pid_t)child, 34);
    say("last child %ld\n", child);
    return success();
}
