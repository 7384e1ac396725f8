// flags: -O2 -pthread
// No thread and no process reads an earlier time than one it was told of, and nobody wakes before the time that was asked for.
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

enum { READS = 20000, TURNS = 4000, SLEEPS = 30 };

static _Atomic int64_t latest;

static int64_t now(clockid_t clock)
{
    struct timespec time;
    CHECK(clock_gettime(clock, &time) == 0);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void *look(void *unused)
{
    (void)unused;
    for (int read = 0; read < READS; read++) {
        int64_t told = atomic_load(&latest);
        int64_t here = now(CLOCK_MONOTONIC);
        CHECK(here >= told);
        while (told < here && !atomic_compare_exchange_weak(&latest, &told, here))
            ;
    }
    return 0;
}

// Tells the other one the time, which tells it back.
static void tell(clockid_t clock, int in, int out, int first)
{
    int64_t told = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        if (turn > 0 || !first)
            CHECK(read(in, &told, sizeof told) == sizeof told);
        int64_t here = now(clock);
        CHECK(here >= told);
        if (write(out, &here, sizeof here) != sizeof here)
            CHECK(turn == TURNS - 1);
    }
}

int main(void)
{
    pthread_t threads[3];
    for (int number = 0; number < 3; number++)
        CHECK(pthread_create(&threads[number], 0, look, 0) == 0);
    for (int number = 0; number < 3; number++)
        CHECK(pthread_join(threads[number], 0) == 0);

    signal(SIGPIPE, SIG_IGN);
    for (clockid_t clock = CLOCK_REALTIME; clock <= CLOCK_MONOTONIC; clock++) {
        int there[2], back[2], status;
        CHECK(pipe(there) == 0 && pipe(back) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(there[1]);
            close(back[0]);
            tell(clock, there[0], back[1], 0);
            _exit(0);
        }
        close(there[0]);
        close(back[1]);
        tell(clock, back[0], there[1], 1);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        close(there[1]);
        close(back[0]);
    }

    for (int number = 0; number < SLEEPS; number++) {
        int64_t until = now(CLOCK_MONOTONIC) + 100000;
        struct timespec time = {until / 1000000000, until % 1000000000};
        CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, 0) == 0);
        CHECK(now(CLOCK_MONOTONIC) >= until);
    }
    return success();
}
