// A CLONE_VM|CLONE_VFORK child on a stack of its own, as posix_spawn makes, writes into its parent's memory.
#include "guest.h"
#include <sched.h>

static volatile int written;

static int child_main(void *argument) {
    written = *(int *)argument;
    _exit(8);
}

int main(void) {
    static char stack[65536] __attribute__((aligned(16)));
    int value = 99;
    for (int round = 0; round < 10; round++) {
        written = 0;
        pid_t child = clone(child_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
        CHECK(child > 0 && written == 99);
        reap_exit(child, 8);
    }
    say("stack %p\n", (void *)stack);
    return success();
}
