// flags: -pthread
// The process ends while a thread is stopped that computes. What it did since its last call was seen by others.
#include "guest.h"
#include <pthread.h>

static volatile uint64_t mixed = 88172645463325252ull, passes;
static volatile int done;

static void *compute(void *unused) {
    for (int i = 0; i < 3000000; i++) {
        uint64_t x = mixed;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        mixed = x;
    }
    done = 1;
    for (;;) passes++;
    return unused;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, compute, 0) == 0);
    while (!done) {}
    say("%lx, and %lu passes more\n", (unsigned long)mixed, (unsigned long)passes);
    return success();
}
