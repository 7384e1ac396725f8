// flags: -pthread
// A thread that spins on memory, without a call, sees what another one stores.
#include "guest.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_int ball;

static void *player(void *at) {
    int mine = (int)(long)at;
    for (int round = 0; round < 50; round++) {
        while (atomic_load_explicit(&ball, memory_order_acquire) % 2 != mine) {}
        atomic_fetch_add(&ball, 1);
    }
    return 0;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, player, (void *)1) == 0);
    player(0);
    CHECK(pthread_join(thread, 0) == 0);
    CHECK(atomic_load(&ball) == 100);
    say("%d\n", atomic_load(&ball));
    return success();
}
