// Constructors run before main in the order of their priorities, destructors after it, and exit handlers before those.
#include "guest.h"

static int order;

__attribute__((constructor(101))) static void first(void) { CHECK(order++ == 0); }
__attribute__((constructor(102))) static void second(void) { CHECK(order++ == 1); }
__attribute__((destructor)) static void last(void) {
    CHECK(order++ == 3);
    success();
}
static void at_exit(void) { CHECK(order++ == 2); }

int main(void) {
    CHECK(order == 2);
    atexit(at_exit);
    say("main at %p\n", (void *)&main);
    return 0;
}
