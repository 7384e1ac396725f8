// flags: -fPIE -pie -mcmodel=medium
// A position-independent executable with 2 GiB of bss gets all of it, zeroed, at one stretch.
#include "guest.h"

static char bss[2ul << 30];

int main(void) {
    for (size_t at = 0; at < sizeof bss; at += 64ul << 20) {
        CHECK(bss[at] == 0);
        bss[at] = (char)(at >> 26);
    }
    CHECK(bss[sizeof bss - 1] == 0);
    bss[sizeof bss - 1] = 7;
    for (size_t at = 0; at < sizeof bss; at += 64ul << 20)
        CHECK(bss[at] == (char)(at >> 26));
    say("bss from %p to %p\n", (void *)bss, (void *)(bss + sizeof bss));
    return success();
}
