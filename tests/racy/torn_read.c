// Torn read: the price and the time of its quote are stored one after the other, and read without a lock.
#include "racy.h"

enum { QUOTES = 10 };
static struct {
    atomic_long price, quoted;
} quote;

static void *writer(void *unused) {
    for (long i = 1; i <= QUOTES; i++) {
        quote.price = i;
        log_line("a quote\n");
        quote.quoted = i;
    }
    return unused;
}

static void *reader(void *torn) {
    for (int i = 0; i < QUOTES; i++) {
        long price = quote.price, quoted = quote.quoted;
        if (price != quoted)
            *(int *)torn = 1;
        log_line("a look\n");
    }
    return NULL;
}

int main(void) {
    log_line("open\n");
    int torn = 0;
    pthread_t first, second;
    thread(&first, writer, NULL);
    thread(&second, reader, &torn);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return verdict(torn, "price and time belong together");
}
