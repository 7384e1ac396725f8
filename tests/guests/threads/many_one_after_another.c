// flags: -O2 -pthread
// More threads and processes over time than there is room for at a time.
#include "guest.h"

#include <pthread.h>
#include <sys/wait.h>

enum { ROUNDS = 400, THREADS = 6, CHILDREN = 2000 };

static void *add(void *sum)
{
    __atomic_add_fetch((int *)sum, 1, __ATOMIC_RELAXED);
    return sum;
}

int main(void)
{
    int sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        for (int number = 0; number < THREADS; number++)
            CHECK(pthread_create(&threads[number], 0, add, &sum) == 0);
        for (int number = 0; number < THREADS; number++)
            CHECK(pthread_join(threads[number], 0) == 0);
    }
    CHECK(sum == ROUNDS * THREADS);
    for (int child = 0; child < CHILDREN; child++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            _exit(child % 50);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == child % 50);
    }
    return success();
}
