// sbrk grows and shrinks the heap, new bytes are zero, and an absurd request is refused.
#include "guest.h"

int main(void) {
    char *start = sbrk(0);
    CHECK(start != (void *)-1);
    CHECK(sbrk(1 << 20) == start);
    CHECK((char *)sbrk(0) == start + (1 << 20));
    for (int i = 0; i < 1 << 20; i++)
        CHECK(start[i] == 0);
    memset(start, 1, 1 << 20);
    CHECK(sbrk(-(1 << 19)) == start + (1 << 20));
    CHECK(start[(1 << 19) - 1] == 1);
    CHECK(sbrk(1 << 19) == start + (1 << 19));
    CHECK(start[(1 << 19) + 4096] == 0);
    CHECK(sbrk((intptr_t)1 << 46) == (void *)-1 && errno == ENOMEM);
    long raw = syscall(SYS_brk, 0);
    CHECK((char *)raw == start + (1 << 20));
    say("heap from %p\n", (void *)start);
    return success();
}
