// Exit handlers run in reverse order and once, also when one of them calls exit; _exit runs none.
#include "guest.h"

static int step;

static void last(void) {
    CHECK(step == 2);
    success();
}

static void second(void) {
    CHECK(step++ == 1);
    exit(0);
}

static void first(void) { CHECK(step++ == 0); }

int main(void) {
    atexit(last);
    atexit(second);
    atexit(first);
    pid_t child = fork_checked();
    if (child == 0)
        _exit(3);
    reap_exit(child, 3);
    say("child %d\n", (int)child);
    exit(1);
}
