// Parent and child pass a growing message back and forth through two pipes, 200 times.
#include "guest.h"

int main(void) {
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    static char message[200 * 400];
    pid_t child = fork_checked();
    for (size_t round = 1; round <= 200; round++) {
        size_t size = round * 350;
        if (child == 0) {
            read_all(down[0], message, size);
            CHECK(message[0] == (char)round && message[size - 1] == (char)round);
            memset(message, (int)round + 1, size);
            write_all(up[1], message, size);
        } else {
            memset(message, (int)round, size);
            write_all(down[1], message, size);
            read_all(up[0], message, size);
            CHECK(message[0] == (char)(round + 1) && message[size - 1] == (char)(round + 1));
        }
    }
    if (child == 0)
        _exit(0);
    reap_exit(child, 0);
    say("child %d\n", (int)child);
    return success();
}
