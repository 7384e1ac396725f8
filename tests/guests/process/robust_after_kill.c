// flags: -pthread
// The owners of robust mutexes are killed by signals: its own, another's, and a fault; somebody waits for one of the mutexes already.
#include "guest.h"

#include <pthread.h>

static pthread_mutex_t *mutexes;

static void taken_over(int index) {
    struct timespec soon;
    CHECK(clock_gettime(CLOCK_REALTIME, &soon) == 0);
    soon.tv_sec += 5;
    int got = pthread_mutex_timedlock(&mutexes[index], &soon);
    say("lock %d: %s\n", index, strerror(got));
    CHECK(got == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&mutexes[index]) == 0);
    CHECK(pthread_mutex_unlock(&mutexes[index]) == 0);
}

static void *lock_and_wait(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    for (;;)
        pause();
}

int main(void) {
    mutexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(mutexes != MAP_FAILED);
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_mutex_init(&mutexes[i], &attributes) == 0);
    struct rlimit no_core = {0, 0};
    CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0);

    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&mutexes[0]) == 0 && pthread_mutex_lock(&mutexes[1]) == 0);
        raise(SIGKILL);
    }
    reap_killed(child, SIGKILL);
    taken_over(0);
    taken_over(1);

    // Two threads' at once, by a signal from outside.
    child = fork_checked();
    if (child == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, lock_and_wait, &mutexes[2]) == 0);
        lock_and_wait(&mutexes[3]);
    }
    sleep_ms(50);
    CHECK(kill(child, SIGTERM) == 0);
    reap_killed(child, SIGTERM);
    taken_over(2);
    taken_over(3);

    child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&mutexes[4]) == 0);
        *(volatile int *)bad_pointer() = 1;
    }
    reap_killed(child, SIGSEGV);
    taken_over(4);
    return success();
}
