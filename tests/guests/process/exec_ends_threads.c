// flags: -pthread
// An exec ends all other threads, wherever they are: eight that wait in a call, and the first one when another calls exec.
#include "guest.h"
#include <pthread.h>

enum { THREADS = 8 };
static int ends[2];
static char **arguments;

static void *waits(void *unused) {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    return unused;
}

static void *execs(void *round) {
    execl(self_path(), arguments[0], (char *)round, (char *)NULL);
    CHECK(!"exec");
}

int main(int argc, char **argv) {
    int round = argc > 1 ? atoi(argv[1]) : 6;
    say("%d: pid %d, task %d\n", round, (int)getpid(), (int)gettid());
    CHECK(getpid() == gettid());
    if (round == 0)
        return success();
    arguments = argv;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pthread_t thread;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
    usleep(20000);
    char next[16];
    snprintf(next, sizeof next, "%d", round - 1);
    if (round % 2)
        execs(next);
    CHECK(pthread_create(&thread, NULL, execs, next) == 0);
    pthread_join(thread, NULL);
    CHECK(!"exec");
}
