// A program reserves a terabyte of address space without memory behind it, and uses pieces of it.
#include "guest.h"

int main(void) {
    size_t size = 1ul << 40;
    char *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    for (size_t at = 0; at < size; at += size / 16) {
        CHECK(mprotect(area + at, 8192, PROT_READ | PROT_WRITE) == 0);
        area[at] = 1;
        CHECK(area[at + 8191] == 0);
    }
    CHECK(munmap(area, size) == 0);
    char *second = mmap(NULL, 64ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(second != MAP_FAILED);
    second[(64ul << 30) - 1] = 1;
    say("areas %p %p\n", (void *)area, (void *)second);
    return success();
}
