// For guests whose threads wait in calls while another one runs: what the kernel gave a waiting thread must not show before that
// thread has returned from its call, or replay could not show it at the same moment.
#ifndef HANDOVER_H
#define HANDOVER_H

#include "guest.h"
#include <pthread.h>

// Runs for some milliseconds without any call, so that the kernel completes what other threads wait for.
__attribute__((unused)) static void compute(void) {
    for (volatile long i = 0; i < 8000000; i++)
        ;
}

// A number that tells apart what `size` bytes hold.
__attribute__((unused)) static unsigned digest(const volatile void *bytes, size_t size) {
    const volatile unsigned char *at = bytes;
    unsigned sum = 17;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + at[i];
    return sum;
}

__attribute__((unused)) static pthread_t start(void *(*run)(void *), void *given) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, given) == 0);
    // Until it waits in its call.
    sleep_ms(30);
    return thread;
}

// What is seen at once, by a forked child, and again: printed, so that a replay has to show the same.
__attribute__((unused)) static void look(const char *what, const volatile void *bytes, size_t size) {
    compute();
    unsigned at_once = digest(bytes, size);
    pid_t child = fork_checked();
    if (child == 0) {
        say("%s: %u seen by the child\n", what, digest(bytes, size));
        _exit(0);
    }
    say("%s: %u seen at once\n", what, at_once);
    reap_exit(child, 0);
}

#endif
