// flags: -pthread
// A spinlock whose waiters call sched_yield lets everybody through.
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static atomic_flag lock = ATOMIC_FLAG_INIT;
static long shared;

static void *add(void *unused) {
    (void)unused;
    for (int i = 0; i < 2000; i++) {
        while (atomic_flag_test_and_set(&lock)) sched_yield();
        shared++;
        atomic_flag_clear(&lock);
    }
    return 0;
}

int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], 0, add, 0) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], 0) == 0);
    CHECK(shared == 8000);
    say("%ld\n", shared);
    return success();
}
