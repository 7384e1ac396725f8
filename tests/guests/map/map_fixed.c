// MAP_FIXED replaces what lies there, MAP_FIXED_NOREPLACE refuses to, and a free hint is honoured.
#include "guest.h"

int main(void) {
    char *area = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 1, 4 * 4096);
    CHECK(mmap(area + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area + 4096);
    CHECK(area[0] == 1 && area[4096] == 0 && area[8192] == 1);
    CHECK(mmap(area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    void *hint = (void *)0x123456789000;
    CHECK(mmap(hint, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == hint);
    void *low = mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(low == (void *)0x20000000);
    *(int *)low = 5;
    char *other = mmap(area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(other != MAP_FAILED && other != area);
    say("area %p other %p\n", (void *)area, (void *)other);
    return success();
}
