// flags: -pthread
// A thread that makes nothing but calls that never wait does not keep the others from running.
#include "guest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_int stop;

static void *stopper(void *unused) {
    (void)unused;
    atomic_store(&stop, 1);
    return 0;
}

int main(void) {
    pthread_t thread;
    struct timespec now;
    long reads = 0;
    CHECK(pthread_create(&thread, 0, stopper, 0) == 0);
    while (!atomic_load(&stop)) {
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        reads++;
    }
    CHECK(pthread_join(thread, 0) == 0);
    say("%d\n", reads >= 0);
    return success();
}
