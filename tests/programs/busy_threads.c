// Threads that compute, and that make calls from places which are made often, until a file is there. Each checks
// that its stack and its registers are its own.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4, WORDS = 256 };

static const char *until;

static void *work(void *seed)
{
    uint64_t state = (uintptr_t)seed + 1, sum = 0, words[WORDS], again = 0;
    int pipes[2];
    if (pipe(pipes) != 0)
        abort();
    for (long round = 0;; round++) {
        for (int at = 0; at < WORDS; at++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            words[at] = state;
            sum += state;
        }
        // Long enough for others to be waiting.
        for (int step = 0; round % 32 == 0 && step < 20000000; step++)
            state = state * 6364136223846793005u + step;
        if (write(pipes[1], words, sizeof words) != sizeof words || getppid() < 0)
            abort();
        uint64_t back[WORDS];
        if (read(pipes[0], back, sizeof back) != sizeof back)
            abort();
        for (int at = 0; at < WORDS; at++) {
            if (back[at] != words[at])
                abort();
            again += back[at];
        }
        if (again != sum)
            abort();
        if (round % 32 == 0 && access(until, F_OK) == 0)
            return seed;
    }
}

int main(int count, char **words)
{
    if (count != 2)
        return 2;
    until = words[1];
    pthread_t threads[THREADS];
    for (uintptr_t number = 0; number < THREADS; number++)
        pthread_create(&threads[number], 0, work, (void *)number);
    for (uintptr_t number = 0; number < THREADS; number++) {
        void *told;
        pthread_join(threads[number], &told);
        if (told != (void *)number)
            abort();
    }
    puts("all is well");
    return 0;
}
