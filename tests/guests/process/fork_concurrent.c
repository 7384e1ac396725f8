// Fifty children at once, all reaped by wait in whatever order they end.
#include "guest.h"

int main(void) {
    pid_t children[50];
    for (int i = 0; i < 50; i++) {
        children[i] = fork_checked();
        if (children[i] == 0) {
            sleep_ms(50 - i);
            _exit(i);
        }
    }
    for (int i = 0; i < 50; i++) {
        int status;
        pid_t child = wait(&status);
        CHECK(child > 0 && WIFEXITED(status) && children[WEXITSTATUS(status)] == child);
        say("%d ", WEXITSTATUS(status));
    }
    say("\n");
    CHECK_ERRNO(wait(NULL), ECHILD);
    return success();
}
