// Parent and children write to the same stdout and stderr without any order, and the last word is the parent's.
#include "guest.h"

int main(void) {
    for (int i = 0; i < 6; i++) {
        if (fork_checked() == 0) {
            for (int line = 0; line < 20; line++) {
                say("child %d line %d at %lu\n", i, line, (unsigned long)now_ns(CLOCK_MONOTONIC));
                if (line % 5 == 0)
                    dprintf(2, "child %d to stderr\n", i);
            }
            _exit(0);
        }
        say("parent after fork %d\n", i);
    }
    while (wait(NULL) > 0)
        ;
    return success();
}
