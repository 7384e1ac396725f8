// Parent and child take turns, ordered by pipes, in writing to an anonymous shared mapping, and each sees the other's words.
#include "guest.h"

int main(void) {
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    int to_child[2], to_parent[2];
    CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid_t child = fork_checked();
    char token = 0;
    for (int round = 0; round < 100; round++) {
        if (child == 0) {
            read_all(to_child[0], &token, 1);
            CHECK(shared[0] == 2 * round + 1);
            shared[0]++;
            shared[1] = (int)getpid();
            write_all(to_parent[1], &token, 1);
        } else {
            CHECK(shared[0] == 2 * round);
            shared[0]++;
            write_all(to_child[1], &token, 1);
            read_all(to_parent[0], &token, 1);
            CHECK(shared[1] == child);
        }
    }
    if (child == 0)
        _exit(0);
    reap_exit(child, 0);
    say("child %d counted to %d\n", shared[1], shared[0]);
    return success();
}
