// flags: -pthread
// Owners of robust mutexes end: as a thread, as a process, as another thread of a process that ends, and by executing a program.
#include "guest.h"

#include <pthread.h>

static pthread_mutex_t *mutexes;

static void make(pthread_mutex_t *mutex, int protocol) {
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
}

static void taken_over(pthread_mutex_t *mutex) {
    CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(mutex) == 0);
    CHECK(pthread_mutex_unlock(mutex) == 0);
    CHECK(pthread_mutex_lock(mutex) == 0);
    CHECK(pthread_mutex_unlock(mutex) == 0);
}

// Waits until somebody holds it, by its word.
static void await_owner(pthread_mutex_t *mutex) {
    while (*(volatile int *)mutex == 0)
        sleep_ms(1);
}

// Holds two at a time: the list has more than one entry.
static void *lock_and_end(void *argument) {
    pthread_mutex_t *mutex = argument;
    CHECK(pthread_mutex_lock(mutex) == 0 && pthread_mutex_lock(mutex + 1) == 0);
    sleep_ms(20);
    return NULL;
}

static void *lock_and_wait(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    pause();
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        sleep_ms(20);
        return 7;
    }
    // In one process; who waits, and who comes later.
    mutexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(mutexes != MAP_FAILED);
    for (int i = 0; i < 8; i++)
        make(&mutexes[i], i == 7 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, lock_and_end, &mutexes[0]) == 0);
    await_owner(&mutexes[1]);
    taken_over(&mutexes[0]);
    CHECK(pthread_join(thread, NULL) == 0);
    taken_over(&mutexes[1]);

    // A process that ends with what its main thread holds, and what another thread holds.
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&mutexes[2]) == 0);
        CHECK(pthread_create(&thread, NULL, lock_and_wait, &mutexes[3]) == 0);
        CHECK(pthread_mutex_lock(&mutexes[7]) == 0);
        sleep_ms(20);
        _exit(5);
    }
    await_owner(&mutexes[7]);
    await_owner(&mutexes[3]);
    taken_over(&mutexes[2]);
    taken_over(&mutexes[3]);
    taken_over(&mutexes[7]);
    reap_exit(child, 5);

    // A program executed releases what its process held, and lives on.
    child = fork_checked();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&mutexes[4]) == 0);
        char *words[] = {"self", "again", NULL};
        execv(self_path(), words);
        _exit(98);
    }
    await_owner(&mutexes[4]);
    taken_over(&mutexes[4]);
    reap_exit(child, 7);

    // An execution that fails releases nothing.
    CHECK(pthread_mutex_lock(&mutexes[5]) == 0);
    char *words[] = {"nothing", NULL};
    CHECK_ERRNO(execv("/nonexistent", words), ENOENT);
    CHECK(pthread_mutex_unlock(&mutexes[5]) == 0);
    CHECK(pthread_mutex_lock(&mutexes[5]) == 0);

    void *head;
    size_t length;
    CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0 && head != NULL);
    say("list at %p, %zu bytes\n", head, length);
    return success();
}
