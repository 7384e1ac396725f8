// Lock-order deadlock: a transfer locks the payer's account, notes it, and locks the payee's; two transfers cross.
#include "racy.h"

static struct account {
    pthread_mutex_t lock;
    long money;
} accounts[2] = {{PTHREAD_MUTEX_INITIALIZER, 100}, {PTHREAD_MUTEX_INITIALIZER, 100}};

static void transfer(struct account *from, struct account *to) {
    pthread_mutex_lock(&from->lock);
    log_line("a transfer begins\n");
    pthread_mutex_lock(&to->lock);
    from->money--;
    to->money++;
    pthread_mutex_unlock(&to->lock);
    pthread_mutex_unlock(&from->lock);
}

static void *customer(void *own) {
    struct account *from = own;
    for (int i = 0; i < 3; i++)
        transfer(from, &accounts[from == accounts]);
    return NULL;
}

int main(void) {
    expect_an_end("each waits for the other's account");
    log_line("open\n");
    pthread_t first, second;
    thread(&first, customer, &accounts[0]);
    thread(&second, customer, &accounts[1]);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return verdict(0, "all transfers were made");
}
