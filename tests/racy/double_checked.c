// Broken double-checked initialisation: the flag that lets others pass is set before the table is filled.
#include "racy.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int ready;
static _Atomic uint64_t table[4];

static const _Atomic uint64_t *get_table(void) {
    if (!ready) {
        pthread_mutex_lock(&lock);
        if (!ready) {
            ready = 1;
            for (int i = 0; i < 4; i++) {
                uint64_t key = 0;
                if (getrandom(&key, sizeof key, 0) != sizeof key)
                    abort();
                table[i] = key | 1;
            }
        }
        pthread_mutex_unlock(&lock);
    }
    return table;
}

static void *user(void *bad) {
    const _Atomic uint64_t *keys = get_table();
    for (int i = 0; i < 4; i++)
        if (keys[i] == 0)
            *(int *)bad = 1;
    return NULL;
}

int main(void) {
    pthread_t users[3];
    int bad[3] = {0};
    for (int i = 0; i < 3; i++)
        thread(&users[i], user, &bad[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(users[i], NULL);
    return verdict(bad[0] | bad[1] | bad[2], "every user found the keys");
}
