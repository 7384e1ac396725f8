// flags: -fsanitize=address -fno-omit-frame-pointer
// A program under AddressSanitizer, whose shadow takes 15 TiB from 0x2008fff7000 on, runs and uses heap, stack and globals.
#include "guest.h"

// The leak check stops the process from a ptracing clone; it has a guest of its own.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

static char global[1000];

int main(void) {
    char *sum = calloc(1, 64);
    for (int round = 0; round < 1000; round++) {
        char *heap = malloc((size_t)round + 1);
        memset(heap, round, (size_t)round + 1);
        sum[round % 64] ^= heap[round];
        global[round] = heap[0];
        free(heap);
    }
    CHECK(global[999] == (char)999);
    say("heap at %p, global at %p\n", (void *)sum, (void *)global);
    free(sum);
    return success();
}
