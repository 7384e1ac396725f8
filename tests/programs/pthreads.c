// Every kind of lock of POSIX threads, used by eight threads at once; each phase checks what it computed. The order in
// which the threads came is printed, so that no two runs print the same. Ends with 0 if all was right.
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 400, SLOTS = 4, ITEMS = 2000 };

#define CHECK(what)                                                     \
    do {                                                                \
        if (!(what)) {                                                  \
            printf("line %d: not so: %s\n", __LINE__, #what);           \
            exit(1);                                                    \
        }                                                               \
    } while (0)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spinlock;
static sem_t free_slots, used_slots;

static unsigned work(unsigned seed, int steps) {
    for (int i = 0; i < steps; i++)
        seed = seed * 1664525 + 1013904223;
    return seed;
}

// Runs a function in all threads, and prints the last digits of what each came to.
static void in_threads(const char *name, void *(*body)(void *)) {
    static long phase;
    pthread_t ids[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, body, (void *)i) == 0);
    long order = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(ids[i], &result) == 0);
        order = order * 10 + (long)result % 10;
    }
    printf("%s: phase %ld, results end in %08ld\n", name, ++phase, order);
}

static long counter;
static char order_of_first[THREADS + 1];
static int arrived;

static void *with_mutex(void *number) {
    unsigned seed = (unsigned)(long)number;
    pthread_mutex_lock(&mutex);
    order_of_first[arrived++] = (char)('0' + (long)number);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < ROUNDS; i++) {
        seed = work(seed, 50);
        if (i % 3 == 0) {
            while (pthread_mutex_trylock(&mutex) != 0)
                sched_yield();
        } else {
            pthread_mutex_lock(&mutex);
        }
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(long)(seed >> 20);
}

static long queue[SLOTS], head, tail, taken_sum;

// Even threads put numbers into a short queue, odd ones take them out.
static void *with_conditions(void *number) {
    long own = 0;
    int puts = (long)number % 2 == 0;
    for (int i = 0; i < ITEMS / (THREADS / 2); i++) {
        pthread_mutex_lock(&mutex);
        if (puts) {
            while (head - tail == SLOTS)
                pthread_cond_wait(&emptied, &mutex);
            queue[head++ % SLOTS] = i + 1;
            pthread_cond_signal(&filled);
        } else {
            while (head == tail) {
                // A time-out that is far away, so that only the wake-up ends the wait.
                struct timespec until;
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_sec += 100;
                CHECK(pthread_cond_timedwait(&filled, &mutex, &until) == 0);
            }
            own += queue[tail++ % SLOTS];
            pthread_cond_broadcast(&emptied);
        }
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    taken_sum += own;
    pthread_mutex_unlock(&mutex);
    return (void *)own;
}

static long cells[2][THREADS];
static atomic_int serial;

// Each generation is computed from the neighbours of the one before, which the barrier completes.
static void *with_barrier(void *number) {
    long me = (long)number;
    for (int i = 0; i < 100; i++) {
        long *from = cells[i % 2], *to = cells[(i + 1) % 2];
        to[me] = (from[(me + 1) % THREADS] + from[(me + THREADS - 1) % THREADS]) % 1000003 + 1;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&serial, 1);
    }
    return (void *)cells[0][me];
}

static long pair[2];

static void *with_rwlock(void *number) {
    long seen = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (((long)number + i) % 8 == 0) {
            pthread_rwlock_wrlock(&rwlock);
            pair[0]++;
            work((unsigned)i, 20);
            pair[1]++;
            pthread_rwlock_unlock(&rwlock);
        } else {
            pthread_rwlock_rdlock(&rwlock);
            CHECK(pair[0] == pair[1]);
            seen += pair[0];
            pthread_rwlock_unlock(&rwlock);
        }
    }
    return (void *)seen;
}

static atomic_long within, moved;

// Four threads put, four take, and never are there more than the slots between them.
static void *with_semaphores(void *number) {
    long seen = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if ((long)number < THREADS / 2) {
            while (sem_wait(&free_slots) != 0)
                ;
            long there = atomic_fetch_add(&within, 1);
            CHECK(there >= 0 && there < SLOTS);
            seen += there;
            sem_post(&used_slots);
        } else {
            while (sem_wait(&used_slots) != 0)
                ;
            atomic_fetch_sub(&within, 1);
            seen = atomic_fetch_add(&moved, 1);
            sem_post(&free_slots);
        }
    }
    return (void *)seen;
}

static atomic_long sum, largest;
static long under_spinlock;
static atomic_flag flag = ATOMIC_FLAG_INIT;
static long under_flag;

static void *with_atomics(void *number) {
    for (long i = 0; i < ROUNDS; i++) {
        long value = work((unsigned)(i * THREADS + (long)number), 10) % 100000, before = atomic_load(&largest);
        while (value > before && !atomic_compare_exchange_weak(&largest, &before, value))
            ;
        atomic_fetch_add(&sum, i);
        pthread_spin_lock(&spinlock);
        under_spinlock++;
        pthread_spin_unlock(&spinlock);
        while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire))
            ;
        under_flag++;
        atomic_flag_clear_explicit(&flag, memory_order_release);
    }
    return (void *)atomic_load(&sum);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static atomic_int made, destroyed;

static void destroy(void *value) {
    free(value);
    atomic_fetch_add(&destroyed, 1);
}

static void make(void) {
    CHECK(pthread_key_create(&key, destroy) == 0);
    atomic_fetch_add(&made, 1);
}

static void *with_keys(void *number) {
    pthread_once(&once, make);
    long *mine = malloc(sizeof *mine);
    *mine = (long)number;
    pthread_setspecific(key, mine);
    usleep(1000 * (useconds_t)(random() % 3));
    CHECK(*(long *)pthread_getspecific(key) == (long)number);
    return number;
}

static volatile unsigned sink;

// Nothing but computing, for as long as several turns: others run meanwhile only if a thread is stopped.
static void *with_nothing(void *number) {
    sink = work((unsigned)(long)number, 60 * 1000 * 1000);
    return number;
}

int main(void) {
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    CHECK(pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE) == 0);
    CHECK(sem_init(&free_slots, 0, SLOTS) == 0 && sem_init(&used_slots, 0, 0) == 0);
    in_threads("mutex", with_mutex);
    CHECK(counter == (long)THREADS * ROUNDS);
    printf("they came as %s\n", order_of_first);
    in_threads("conditions", with_conditions);
    long each = ITEMS / (THREADS / 2);
    CHECK(taken_sum == each * (each + 1) / 2 * (THREADS / 2));
    in_threads("barrier", with_barrier);
    CHECK(atomic_load(&serial) == 100);
    in_threads("rwlock", with_rwlock);
    CHECK(pair[0] == pair[1] && pair[0] == (long)THREADS * ROUNDS / 8);
    in_threads("semaphores", with_semaphores);
    CHECK(atomic_load(&moved) == (long)THREADS / 2 * ROUNDS);
    in_threads("atomics", with_atomics);
    CHECK(atomic_load(&sum) == (long)THREADS * ROUNDS * (ROUNDS - 1) / 2);
    CHECK(under_spinlock == (long)THREADS * ROUNDS && under_flag == under_spinlock);
    in_threads("keys", with_keys);
    CHECK(atomic_load(&made) == 1 && atomic_load(&destroyed) == THREADS);
    in_threads("computing", with_nothing);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("all is right at %ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
    return 0;
}
