// Exit codes are cut to eight bits, whichever way a program leaves, and main's return value is one.
#include "guest.h"

static int handlers_run;
static void handler(void) {
    if (handlers_run++ == 0)
        _exit(77);
}

int main(void) {
    int codes[] = {0, 1, 127, 128, 255, 256, -1, 0x1234};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        for (int way = 0; way < 3; way++) {
            pid_t child = fork_checked();
            if (child == 0) {
                if (way == 0)
                    exit(codes[i]);
                if (way == 1)
                    _exit(codes[i]);
                syscall(SYS_exit, codes[i]);
            }
            reap_exit(child, codes[i] & 255);
        }
    }
    pid_t child = fork_checked();
    if (child == 0) {
        atexit(handler);
        exit(1);
    }
    reap_exit(child, 77);
    say("last child %d\n", (int)child);
    return success();
}
