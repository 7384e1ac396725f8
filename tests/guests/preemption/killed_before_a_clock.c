// flags: -pthread
// The process ends while a thread that was about to read the cycle counter lets others run.
#include "guest.h"
#include <pthread.h>
#include <x86intrin.h>

enum { LEAST = 20000 };
static volatile uint64_t reads, last;

static void *read_counter(void *unused) {
    for (;;) {
        reads++;
        last = __rdtsc();
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, read_counter, 0) == 0);
    while (reads < LEAST) {}
    say("%lu reads were begun, the last but one gave %lu\n", (unsigned long)reads, (unsigned long)last);
    return success();
}
