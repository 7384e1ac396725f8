// flags: -O2 -pthread
// Several threads end their process at the same moment.
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { CHILDREN = 60, THREADS = 4 };

static pthread_barrier_t barrier;

static void *leave(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    _exit(7);
}

int main(void)
{
    for (int child = 0; child < CHILDREN; child++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            pthread_t threads[THREADS];
            pthread_barrier_init(&barrier, 0, THREADS + 1);
            for (int number = 0; number < THREADS; number++)
                CHECK(pthread_create(&threads[number], 0, leave, 0) == 0);
            leave(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    return success();
}
