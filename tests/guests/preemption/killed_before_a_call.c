// flags: -pthread
// The process ends while a thread that was about to make a call lets others run. What it did since the call before was seen.
#include "guest.h"
#include <pthread.h>

enum { LEAST = 100000 };
static volatile uint64_t calls;

static void *call(void *unused) {
    for (;;) {
        calls++;
        getppid();
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, call, 0) == 0);
    while (calls < LEAST) {}
    say("%lu calls were begun\n", (unsigned long)calls);
    return success();
}
