// flags: -pthread
// Inserting into a tree is stopped and found again while another thread keeps time.
#include "guest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct node {
    struct node *child[2];
    uint64_t key;
};

static struct node pool[200000];
static atomic_long inserted;
static atomic_int over;
static long seen[64];

static void *heartbeat(void *unused) {
    (void)unused;
    int beats = 0;
    struct timespec pause = {0, 2000000};
    while (!atomic_load(&over) && beats < 64) {
        nanosleep(&pause, 0);
        seen[beats++] = atomic_load(&inserted);
    }
    return (void *)(long)beats;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, heartbeat, 0) == 0);
    struct node *root = 0;
    uint64_t random = 12345;
    for (long i = 0; i < 200000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        struct node *fresh = &pool[i], **at = &root;
        fresh->key = random >> 20;
        while (*at) at = &(*at)->child[fresh->key > (*at)->key];
        *at = fresh;
        atomic_store_explicit(&inserted, i, memory_order_relaxed);
    }
    atomic_store(&over, 1);
    void *beats;
    CHECK(pthread_join(thread, &beats) == 0);
    CHECK((long)beats > 0);
    for (long i = 0; i < (long)beats; i++) say("%ld ", seen[i]);
    say("\n");
    return success();
}
