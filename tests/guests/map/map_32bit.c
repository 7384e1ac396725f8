// MAP_32BIT mappings lie below 2 GiB, do not overlap, and hold what is written to them.
#include "guest.h"

int main(void) {
    char *areas[8];
    for (int i = 0; i < 8; i++) {
        areas[i] = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        CHECK(areas[i] != MAP_FAILED);
        CHECK((uintptr_t)areas[i] + (1 << 20) <= 0x80000000u);
        CHECK(areas[i][0] == 0);
        memset(areas[i], i + 1, 1 << 20);
        say("area %d at %p\n", i, (void *)areas[i]);
    }
    for (int i = 0; i < 8; i++) {
        CHECK(areas[i][0] == i + 1 && areas[i][(1 << 20) - 1] == i + 1);
        CHECK(munmap(areas[i], 1 << 20) == 0);
    }
    return success();
}
