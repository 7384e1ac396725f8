// flags: -O2 -pthread
// A barrier that spins on a generation: between two of them each thread computes, and makes calls.
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 100 };

static atomic_int arrived, generation;
static unsigned long sum[THREADS];

static void barrier(void)
{
    int mine = atomic_load(&generation);
    if (atomic_fetch_add(&arrived, 1) + 1 == THREADS) {
        atomic_store(&arrived, 0);
        atomic_fetch_add(&generation, 1);
        return;
    }
    while (atomic_load(&generation) == mine)
        ;
}

static void *work(void *number)
{
    long me = (long)number;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        for (int n = 0; n < 1000; n++)
            sum[me] = sum[me] * 31 + (unsigned long)now.tv_nsec + (unsigned long)n;
        barrier();
        if (me == round % THREADS)
            sum[me] += sum[(me + 1) % THREADS];
        barrier();
    }
    return 0;
}

int main(void)
{
    pthread_t thread[THREADS];
    for (long number = 0; number < THREADS; number++)
        CHECK(pthread_create(&thread[number], 0, work, (void *)number) == 0);
    for (int number = 0; number < THREADS; number++)
        CHECK(pthread_join(thread[number], 0) == 0);
    CHECK(atomic_load(&generation) == 2 * ROUNDS);
    for (int number = 0; number < THREADS; number++)
        printf("%lx\n", sum[number]);
    return success();
}
