// flags: -pthread
// The same calls from the same places, often enough for their events to be told as repetitions: with
// every length around the sizes where they are told otherwise, results that differ, bytes that differ,
// buffers that cannot be written, and a second thread that shares the memory.
#include "guest.h"
#include <pthread.h>

static const size_t SIZES[] = {0, 1, 7, 8, 9, 63, 64, 65, 1023, 1024, 1025, 8151, 8152, 8191, 8192, 8193, 16343, 16384, 20000};
enum { COUNT = sizeof SIZES / sizeof *SIZES };

static int ends[2], pipes[2];
static char out[20000], in[20000];

static void *wait_for_byte(void *unused) {
    char byte;
    (void)unused;
    CHECK(read(pipes[0], &byte, 1) == 1 && byte == 'x');
    return NULL;
}

static void transfers(unsigned round) {
    for (int i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < SIZES[i]; at++)
            out[at] = (char)(at * 7 + round + i);
        CHECK(send(ends[0], out, SIZES[i], 0) == (ssize_t)SIZES[i]);
        size_t had = 0;
        while (had < SIZES[i]) {
            ssize_t got = recv(ends[1], in + had, sizeof in - had, 0);
            CHECK(got > 0);
            had += got;
        }
        CHECK(had == SIZES[i] && memcmp(in, out, had) == 0);
    }
    // Nothing is there: the same call with another result.
    CHECK(recv(ends[1], in, sizeof in, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

// What cannot be written stays where it was.
static void unwritable(char *page) {
    CHECK(send(ends[0], "four", 4, 0) == 4);
    CHECK(read(ends[1], page, 4) == -1 && errno == EFAULT);
    CHECK(read(ends[1], in, 4) == 4 && memcmp(in, "four", 4) == 0);
    CHECK(write(ends[0], bad_pointer(), 4) == -1 && errno == EFAULT);
}

int main(void) {
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;
    CHECK(page != MAP_FAILED && pipe(pipes) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (unsigned round = 0; round < 12; round++) {
        transfers(round);
        unwritable(page);
    }
    CHECK(pthread_create(&thread, NULL, wait_for_byte, NULL) == 0);
    for (unsigned round = 0; round < 12; round++) {
        transfers(round);
        unwritable(page);
    }
    CHECK(write(pipes[1], "x", 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    say("%d sizes\n", COUNT);
    return success();
}
