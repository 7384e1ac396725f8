// flags: -pthread
// Two threads that only compute, without a call, both make progress.
#include "guest.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_long progress[2];
static atomic_int done;

static void *count(void *at) {
    long which = (long)at;
    volatile uint64_t mixed = 88172645463325252ull + which;
    for (long i = 0; i < 60000000; i++) {
        uint64_t x = mixed;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        mixed = x;
        atomic_store_explicit(&progress[which], i, memory_order_relaxed);
    }
    long other = atomic_load(&progress[1 - which]);
    atomic_fetch_add(&done, 1);
    return (void *)(mixed ^ (uint64_t)other);
}

int main(void) {
    pthread_t threads[2];
    uint64_t sum = 0;
    for (long i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], 0, count, (void *)i) == 0);
    for (int i = 0; i < 2; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        sum += (uint64_t)result;
    }
    CHECK(atomic_load(&done) == 2);
    say("%lx\n", (unsigned long)sum);
    return success();
}
