// flags: -fsanitize=address -fno-pie -no-pie
// A fixed-address program under AddressSanitizer finds both its own range and the shadow's free.
#include "guest.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(void) {
    char *heap = malloc(100);
    memset(heap, 3, 100);
    CHECK((uintptr_t)&main < 0x10000000);
    say("heap at %p sum %d\n", (void *)heap, heap[0] + heap[99]);
    free(heap);
    return success();
}
