// flags: -pthread
// Four threads hand a counter round for so many milliseconds; each passes it on in memory and shows it in a call.
#include "guest.h"

#include <pthread.h>

#define THREADS 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static long rounds;
static uint64_t until;
static int null;

static void *hand_on(void *argument) {
    long own = (long)argument;
    for (;;) {
        char text[32];
        pthread_mutex_lock(&mutex);
        while (rounds >= 0 && rounds % THREADS != own)
            pthread_cond_wait(&moved, &mutex);
        if (rounds >= 0 && now_ns(CLOCK_MONOTONIC) > until)
            rounds = -1;
        if (rounds >= 0)
            rounds++;
        long now = rounds;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&mutex);
        if (now < 0)
            return NULL;
        snprintf(text, sizeof text, "%ld\n", now);
        write_all(now % 1000 == 0 ? 1 : null, text, strlen(text));
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    until = now_ns(CLOCK_MONOTONIC) + strtoull(argv[1], NULL, 10) * 1000000;
    null = open("/dev/null", O_WRONLY);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, hand_on, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return success();
}
