// A subreaper adopts the orphans below it and reaps them.
#include "guest.h"

int main(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        pid_t middle = getpid();
        if (fork_checked() == 0) {
            while (getppid() == middle)
                sleep_ms(1);
            _exit(21);
        }
        _exit(20);
    }
    int codes[2], status;
    for (int i = 0; i < 2; i++) {
        pid_t ended = wait(&status);
        CHECK(ended > 0 && WIFEXITED(status));
        codes[i] = WEXITSTATUS(status);
        say("%d with %d\n", (int)ended, codes[i]);
    }
    CHECK(codes[0] == 20 && codes[1] == 21);
    return success();
}
