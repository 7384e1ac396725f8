// Missed wake-up: the consumer looks for work before it takes the lock, and the producer signals in between.
#include "racy.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static atomic_int jobs;

static void *consumer(void *unused) {
    if (jobs == 0) {
        log_line("nothing to do\n");
        pthread_mutex_lock(&lock);
        pthread_cond_wait(&arrived, &lock);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void *producer(void *unused) {
    log_line("a job\n");
    pthread_mutex_lock(&lock);
    jobs = 1;
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&lock);
    return unused;
}

int main(void) {
    expect_an_end("the consumer waits for a signal that was given before");
    log_line("open\n");
    pthread_t first, second;
    thread(&first, consumer, NULL);
    thread(&second, producer, NULL);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return verdict(0, "the job was done");
}
