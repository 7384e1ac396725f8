// Two threads, of which the one that comes first decides what is said over a pipe.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int first;
static pthread_barrier_t barrier;

static void *run(void *number) {
    pthread_barrier_wait(&barrier);
    int nobody = 0;
    atomic_compare_exchange_strong(&first, &nobody, (int)(long)number);
    return NULL;
}

int main(void) {
    int ends[2];
    if (pipe(ends) != 0)
        return 9;
    pid_t child = fork();
    if (child == 0) {
        char text[64] = {0};
        close(ends[1]);
        if (read(ends[0], text, sizeof text - 1) <= 0)
            return 9;
        printf("child got %s", text);
        return strcmp(text, "winner 1\n") != 0;
    }
    close(ends[0]);
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    dprintf(ends[1], "winner %d\n", first);
    close(ends[1]);
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}
