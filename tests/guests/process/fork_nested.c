// Generations: each process forks two more, five levels deep, and the exit codes add up to the number of processes.
#include "guest.h"

static int grow(int depth) {
    int total = 1;
    if (depth == 0)
        return total;
    for (int i = 0; i < 2; i++) {
        pid_t child = fork_checked();
        if (child == 0)
            _exit(grow(depth - 1));
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
        total += WEXITSTATUS(status);
    }
    say("pid %d depth %d\n", (int)getpid(), depth);
    return total;
}

int main(void) {
    CHECK(grow(5) == 63);
    return success();
}
