// flags: -fsanitize=address -g
// ends: exit 1
// AddressSanitizer finds an overflow, prints its report with addresses and pid on stderr, and exits with 1.
#include "guest.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(int argc, char **argv) {
    (void)argv;
    volatile char *heap = malloc(10);
    say("heap at %p\n", (void *)heap);
    success();
    heap[10 + argc] = 1;
    return 0;
}
