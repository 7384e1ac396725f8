// flags: -pthread
// Mutexes with priority inheritance, whose word the kernel changes for those who wait: by threads, by processes, with timeouts and
// signals, and the calls behind them.
#include "guest.h"

#include <linux/futex.h>
#include <pthread.h>

static pthread_mutex_t mutex, *shared;
static int order[4096], count;
static volatile sig_atomic_t ticks;

static void make(pthread_mutex_t *made, int sharing) {
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, sharing) == 0);
    CHECK(pthread_mutex_init(made, &attributes) == 0);
}

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout, uint32_t *second, uint32_t expected) {
    return syscall(SYS_futex, word, op, value, timeout, second, expected);
}

static void *contend(void *own) {
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        order[count++] = (int)(long)own;
        if (i % 20 == 0)
            usleep(10);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}

static void *hold(void *milliseconds) {
    CHECK(pthread_mutex_lock(&mutex) == 0);
    sleep_ms((long)milliseconds);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return NULL;
}

static void tick(int signal_number) {
    (void)signal_number;
    ticks++;
}

static uint32_t lock_word, queue_word;

static void *wait_and_lock(void *unused) {
    (void)unused;
    CHECK(futex(&queue_word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock_word, 0) == 0);
    CHECK((lock_word & FUTEX_TID_MASK) == (uint32_t)gettid());
    CHECK(futex(&lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    return NULL;
}

int main(void) {
    pthread_t threads[6];
    make(&mutex, PTHREAD_PROCESS_PRIVATE);
    for (long i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, contend, (void *)i) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum = sum * 31 + order[i];
    say("%d turns, in order %d\n", count, sum);
    CHECK(count == 1200);

    // A timeout, an attempt, and a wait that a signal interrupts.
    CHECK(pthread_create(&threads[0], NULL, hold, (void *)400L) == 0);
    sleep_ms(20);
    struct timespec soon;
    CHECK(clock_gettime(CLOCK_REALTIME, &soon) == 0);
    soon.tv_nsec += 10000000;
    if (soon.tv_nsec >= 1000000000)
        soon.tv_sec++, soon.tv_nsec -= 1000000000;
    CHECK(pthread_mutex_timedlock(&mutex, &soon) == ETIMEDOUT);
    CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
    install(SIGALRM, tick, 0);
    struct itimerval timer = {.it_value = {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(ticks == 1);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);

    // Between processes.
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    int *turns = (int *)(shared + 1);
    make(shared, PTHREAD_PROCESS_SHARED);
    pid_t children[3];
    for (int i = 0; i < 3; i++)
        if ((children[i] = fork_checked()) == 0) {
            for (int j = 0; j < 50; j++) {
                CHECK(pthread_mutex_lock(shared) == 0);
                ++*turns;
                if (j % 10 == i)
                    usleep(100);
                CHECK(pthread_mutex_unlock(shared) == 0);
            }
            _exit(i);
        }
    for (int i = 0; i < 3; i++)
        reap_exit(children[i], i);
    CHECK(*turns == 150);

    // The calls themselves.
    uint32_t own = (uint32_t)gettid();
    lock_word = 0;
    CHECK(futex(&lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 && lock_word == own);
    CHECK_ERRNO(futex(&lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK(futex(&lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && lock_word == 0);
    CHECK_ERRNO(futex(&lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    CHECK_ERRNO(futex(bad_pointer(), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
    // Nobody has the number of an owner that is gone.
    lock_word = FUTEX_TID_MASK - 1;
    CHECK_ERRNO(futex(&lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);

    // Waiters for a condition come to stand before the lock.
    lock_word = 0;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_and_lock, NULL) == 0);
    sleep_ms(20);
    CHECK_ERRNO(futex(&queue_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)9L, &lock_word, 5), EAGAIN);
    CHECK(futex(&queue_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)9L, &lock_word, 0) == 3);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return success();
}
