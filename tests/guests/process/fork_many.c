// Three hundred children, one after the other, each with a different exit code.
#include "guest.h"

int main(void) {
    for (int i = 0; i < 300; i++) {
        pid_t child = fork_checked();
        if (child == 0)
            _exit(i % 256);
        reap_exit(child, i % 256);
        if (i % 50 == 0)
            say("child %d\n", (int)child);
    }
    return success();
}
