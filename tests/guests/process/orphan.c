// A process whose parent ends gets another parent, and goes on.
#include "guest.h"

int main(void) {
    int report[2], gate[2];
    CHECK(pipe(report) == 0 && pipe(gate) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        pid_t middle = getpid();
        if (fork_checked() == 0) {
            char byte;
            close(gate[1]);
            CHECK(read(gate[0], &byte, 1) == 0);
            pid_t adopted_by = getppid();
            CHECK(adopted_by != middle);
            write_all(report[1], &adopted_by, sizeof adopted_by);
            _exit(0);
        }
        _exit(0);
    }
    reap_exit(child, 0);
    close(gate[1]);
    pid_t adopted_by;
    read_all(report[0], &adopted_by, sizeof adopted_by);
    say("the orphan of %d was adopted by %d\n", (int)child, (int)adopted_by);
    return success();
}
