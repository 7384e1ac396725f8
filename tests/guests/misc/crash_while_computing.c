// ends: signal 11
// A walk over random steps runs off the end of its memory at a place that the random numbers decide, far from any call.
#include "guest.h"
#include <sys/random.h>

int main(void) {
    unsigned char steps[1024];
    CHECK(getrandom(steps, 256, 0) == 256 && getrandom(steps + 256, 256, 0) == 256);
    volatile char *area = mmap(NULL, 65536 + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED && mprotect((char *)area + 65536, 4096, PROT_NONE) == 0);
    say("area %p, first step %d\n", (void *)area, steps[0]);
    success();
    for (size_t i = 0, at = 0;; i++) {
        at += steps[i % 512] + 1u;
        area[at] = (char)i;
    }
}
