// flags: -pthread
// The owner of a robust mutex waits for a signal that kills it; before that, another process finds the mutex locked.
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
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(mutex) == 0);
        write_all(ready[1], "x", 1);
        for (;;)
            pause();
    }
    read_all(ready[0], &byte, 1);
    sleep_ms(10);
    CHECK(pthread_mutex_trylock(mutex) == EBUSY);
    CHECK(kill(child, SIGKILL) == 0);
    reap_killed(child, SIGKILL);
    CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD);
    return success();
}
