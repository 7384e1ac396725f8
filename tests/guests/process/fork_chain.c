// A chain of processes, each the parent of the next, forty long: pids are passed back up through exit pipes.
#include "guest.h"

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    int depth = 0;
    while (depth < 40) {
        pid_t child = fork_checked();
        if (child > 0) {
            reap_exit(child, 0);
            break;
        }
        depth++;
        pid_t pid = getpid();
        write_all(pipes[1], &pid, sizeof pid);
    }
    if (depth > 0)
        _exit(0);
    pid_t previous = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid;
        read_all(pipes[0], &pid, sizeof pid);
        CHECK(pid != previous && pid != getpid());
        say("%d ", (int)pid);
        previous = pid;
    }
    say("\n");
    return success();
}
