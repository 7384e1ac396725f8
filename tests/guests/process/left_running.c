// flags: -pthread
// A process that outlives its command, whose recording ends while its threads wait: what they stored before that another one has seen.
#include "guest.h"

#include <pthread.h>

static volatile int seen;
static int never[2];

static void *store_and_wait(void *unused) {
    (void)unused;
    char byte;
    seen = 1;
    CHECK(read(never[0], &byte, 1) == 0);
    return NULL;
}

int main(void) {
    int ready[2], null = open("/dev/null", O_WRONLY);
    CHECK(pipe(ready) == 0 && pipe(never) == 0);
    if (fork_checked() != 0) {
        char byte;
        close(ready[1]);
        CHECK(read(ready[0], &byte, 1) == 1);
        return success();
    }
    // The command's output ends with the command.
    close(1);
    close(2);
    alarm(5);
    pthread_t thread;
    if (pthread_create(&thread, NULL, store_and_wait, NULL) != 0)
        _exit(1);
    sleep_ms(50);
    // What is written is compared.
    dprintf(null, "seen %d\n", seen);
    write_all(ready[1], "x", 1);
    pause();
}
