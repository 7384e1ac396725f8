// A vforked child that exits, or whose exec fails, hands its parent the errno through shared memory.
#include "guest.h"

int main(void) {
    volatile int failure = 0;
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        execl("/absent/program", "program", (char *)NULL);
        failure = errno;
        _exit(5);
    }
    CHECK(failure == ENOENT);
    reap_exit(child, 5);
    volatile int order = 0;
    child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        for (volatile int i = 0; i < 1000000; i++)
            ;
        order = 1;
        _exit(0);
    }
    CHECK(order == 1);
    reap_exit(child, 0);
    say("last child %d\n", (int)child);
    return success();
}
