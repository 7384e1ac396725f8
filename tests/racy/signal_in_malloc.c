// A signal in the middle of malloc: the handler allocates, too, and waits for the lock that the code below it holds.
#include "racy.h"
#include <sys/time.h>

static void *volatile kept;

static void report(int signal) {
    (void)signal;
    char *text = malloc(3000);
    if (!text)
        abort();
    strcpy(text, "a report\n");
    log_line(text);
    free(text);
}

static void *watch(void *unused) {
    sleep(3);
    _exit(verdict(1, "the handler waits for the lock of malloc"));
    return unused;
}

int main(void) {
    log_line("open\n");
    pthread_t watcher;
    thread(&watcher, watch, NULL);
    signal(SIGALRM, report);
    struct itimerval soon = {.it_value = {.tv_usec = 1500}};
    setitimer(ITIMER_REAL, &soon, NULL);
    uint64_t sum = 1;
    for (int i = 0; i < 12000; i++) {
        // One part in some is spent in malloc.
        for (int j = 0; j < 600; j++)
            sum = sum * 6364136223846793005 + 1442695040888963407;
        kept = malloc(2000 + sum % 1000);
        free(kept);
    }
    return verdict(0, "the handler found malloc free");
}
