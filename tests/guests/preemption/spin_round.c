// flags: -O2 -pthread
// Three threads hand a token round by spinning on it, with a counter, without one, and with a signal in between.
#include "guest.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_int token;
static volatile sig_atomic_t alarms;
static unsigned long passes[3];

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void *work(void *number)
{
    int me = (int)(long)number;
    for (int round = 0; round < 300; round++) {
        if (me == 1) {
            while (atomic_load(&token) != me)
                passes[me]++;
        } else {
            for (unsigned long n = 0; atomic_load(&token) != me; n++)
                __builtin_ia32_pause();
        }
        if (me == 0 && round % 100 == 50)
            kill(getpid(), SIGALRM);
        atomic_store(&token, (me + 1) % 3);
    }
    return 0;
}

int main(void)
{
    pthread_t thread[3];
    signal(SIGALRM, on_alarm);
    for (long number = 0; number < 3; number++)
        CHECK(pthread_create(&thread[number], 0, work, (void *)number) == 0);
    for (int number = 0; number < 3; number++)
        CHECK(pthread_join(thread[number], 0) == 0);
    CHECK(atomic_load(&token) == 0);
    CHECK(alarms == 3);
    return success();
}
