// A vforked child execs another program while its parent waits, and what it stored before is visible to the parent.
#include "guest.h"

int main(int argc, char **argv) {
    if (argc > 1)
        return atoi(argv[1]);
    volatile int stored = 0;
    const char *path = self_path();
    for (int round = 0; round < 20; round++) {
        pid_t child = vfork();
        CHECK(child >= 0);
        if (child == 0) {
            stored++;
            execl(path, "vfork_exec", "17", (char *)NULL);
            _exit(127);
        }
        CHECK(stored == round + 1);
        reap_exit(child, 17);
        say("child %d\n", (int)child);
    }
    return success();
}
