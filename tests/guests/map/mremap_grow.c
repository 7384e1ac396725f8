// mremap grows a mapping with its contents kept and the new part zeroed, and shrinks it in place.
#include "guest.h"

int main(void) {
    char *area = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 0x5a, 4 * 4096);
    say("area %p\n", (void *)area);
    size_t before = 4;
    for (size_t pages = 8; pages <= 4096; before = pages, pages *= 8) {
        char *grown = mremap(area, before * 4096, pages * 4096, MREMAP_MAYMOVE);
        CHECK(grown != MAP_FAILED);
        CHECK(grown[0] == 0x5a && grown[4 * 4096 - 1] == 0x5a);
        CHECK(grown[4 * 4096] == 0 && grown[pages * 4096 - 1] == 0);
        say("%zu pages at %p\n", pages, (void *)grown);
        area = grown;
    }
    char *shrunk = mremap(area, 4096 * 4096, 4096, 0);
    CHECK(shrunk == area && shrunk[4095] == 0x5a);
    CHECK(munmap(shrunk, 4096) == 0);
    return success();
}
