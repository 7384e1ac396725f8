// SA_NODEFER lets a handler be interrupted by its own signal; without it the second one waits for the first to return.
#include "guest.h"

static volatile int depth, deepest, runs;

static void handler(int number) {
    depth++;
    runs++;
    if (depth > deepest)
        deepest = depth;
    if (runs < 5)
        raise(number);
    depth--;
}

int main(void) {
    install(SIGUSR1, handler, SA_NODEFER);
    raise(SIGUSR1);
    CHECK(deepest == 5 && runs == 5 && depth == 0);
    deepest = runs = 0;
    install(SIGUSR2, handler, 0);
    raise(SIGUSR2);
    CHECK(deepest == 1 && runs == 5 && depth == 0);
    say("depth at %p\n", (void *)&depth);
    return success();
}
