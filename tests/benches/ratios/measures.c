// Measures itself: `measures WHAT COUNT [THREADS]` prints the nanoseconds that one of COUNT operations took.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long count;

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

static void read_clocks(void) {
    struct timespec now;
    for (long i = 0; i < count; i++)
        clock_gettime(CLOCK_REALTIME, &now);
}

static void write_and_read(void) {
    int ends[2];
    char bytes[64] = {1};
    if (pipe(ends) != 0)
        exit(1);
    for (long i = 0; i < count; i++)
        if (write(ends[1], bytes, sizeof bytes) != sizeof bytes || read(ends[0], bytes, sizeof bytes) != sizeof bytes)
            exit(1);
}

// Each step needs the one before, so that no compiler shortens it, and some go through memory.
static void *compute(void *unused) {
    static __thread uint64_t table[512];
    uint64_t x = 88172645463325252;
    (void)unused;
    for (long i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[x % 512] += x;
    }
    return (void *)(uintptr_t)table[x % 512];
}

static void compute_in(int threads) {
    pthread_t ids[16];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, compute, NULL) != 0)
            exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    count = atol(argv[2]);
    int threads = argc > 3 ? atoi(argv[3]) : 1;
    if (count < 1 || threads < 1 || threads > 16)
        return 2;
    double began = now_ns();
    if (strcmp(argv[1], "clocks") == 0)
        read_clocks();
    else if (strcmp(argv[1], "pipe") == 0)
        write_and_read();
    else if (strcmp(argv[1], "compute") == 0)
        compute_in(threads);
    else
        return 2;
    printf("%.3f\n", (now_ns() - began) / count);
    return 0;
}
