// Lost update: two tellers read the balance, note the deposit in the log, and write back what they read plus one.
#include "racy.h"

enum { DEPOSITS = 10 };
static volatile long balance;

static void *teller(void *name) {
    for (int i = 0; i < DEPOSITS; i++) {
        long seen = balance;
        log_line(name);
        balance = seen + 1;
    }
    return NULL;
}

int main(void) {
    log_line("open\n");
    pthread_t first, second;
    thread(&first, teller, "deposit by the first\n");
    thread(&second, teller, "deposit by the second\n");
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return verdict(balance != 2 * DEPOSITS, "the sum of all deposits");
}
