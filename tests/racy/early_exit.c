// Early exit: main returns while a thread that nobody joins still writes its results.
#include "racy.h"

enum { RESULTS = 5 };
static int results[2];

static void *save(void *unused) {
    for (int i = 0; i < RESULTS; i++)
        if (write(results[1], "result\n", 7) != 7)
            abort();
    return unused;
}

static int service(void) {
    pthread_t saver;
    thread(&saver, save, NULL);
    pthread_detach(saver);
    // Its own part of the work takes longer than saving.
    volatile uint64_t sum = 1;
    for (int i = 0; i < 12000000; i++)
        sum = sum * 6364136223846793005 + 1442695040888963407;
    return 0;
}

int main(void) {
    if (pipe(results) != 0)
        abort();
    pid_t child = fork();
    if (child == 0)
        exit(service());
    close(results[1]);
    char text[256];
    size_t have = 0;
    for (ssize_t got; (got = read(results[0], text + have, sizeof text - have)) > 0;)
        have += got;
    waitpid(child, NULL, 0);
    return verdict(have != RESULTS * 7, "the results were saved");
}
