// flags: -pthread
// The process ends while a thread computes that has been stopped many times: what it stored until its last stop is part of the end.
#include "guest.h"

#include <pthread.h>

static volatile unsigned long passes, table[1000];

static void *compute(void *unused) {
    for (;;) {
        passes++;
        table[passes % 1000] += passes;
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, compute, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        sleep_ms(5);
        say("%d\n", passes > 0);
    }
    return success();
}
