// flags: -pthread
// The owner of a robust mutex is killed by a signal: nobody but the kernel can mark the mutex.
#include "guest.h"

#include <pthread.h>

int main(void) {
    pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(mutex != MAP_FAILED);
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(mutex) == 0);
        raise(SIGKILL);
    }
    reap_killed(child, SIGKILL);
    struct timespec soon;
    CHECK(clock_gettime(CLOCK_REALTIME, &soon) == 0);
    soon.tv_sec += 1;
    int got = pthread_mutex_timedlock(mutex, &soon);
    say("lock: %s\n", strerror(got));
    CHECK(got == EOWNERDEAD);
    return success();
}
