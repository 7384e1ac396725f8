// SIGCHLD, SIGURG, SIGWINCH and SIGCONT do nothing by default, and do not interrupt a blocked read.
#include "guest.h"

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t parent = getpid();
    pid_t child = fork_checked();
    if (child == 0) {
        int quiet[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
        for (int i = 0; i < 4; i++) {
            sleep_ms(10);
            CHECK(kill(parent, quiet[i]) == 0);
        }
        write_all(pipes[1], "x", 1);
        _exit(0);
    }
    char byte;
    CHECK(read(pipes[0], &byte, 1) == 1);
    reap_exit(child, 0);
    say("child %d\n", (int)child);
    return success();
}
