// The stack grows to nearly its limit of 8 MiB, page after page, below what was touched before.
#include "guest.h"

__attribute__((noinline)) static uintptr_t descend(int depth) {
    volatile char frame[16384];
    frame[0] = (char)depth;
    frame[sizeof frame - 1] = (char)depth;
    uintptr_t deepest = depth == 0 ? (uintptr_t)frame : descend(depth - 1);
    CHECK(frame[0] == (char)depth && frame[sizeof frame - 1] == (char)depth);
    return deepest;
}

int main(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < 8 << 20)
        SKIP("the stack limit is below 8 MiB");
    char local;
    uintptr_t deepest = descend(430);
    CHECK((uintptr_t)&local - deepest > 7000000);
    say("from %p to %p\n", (void *)&local, (void *)deepest);
    return success();
}
