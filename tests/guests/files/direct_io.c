// flags: -pthread
// Direct I/O into aligned memory, while another thread waits: in one piece, in several, and in large ones.
#include "guest.h"
#include <pthread.h>

enum { BLOCK = 4096, LARGE = 3 << 20 };
static int ends[2];

static void *waits(void *unused) {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    return unused;
}

int main(void) {
    enter_scratch();
    int file = open("file", O_RDWR | O_CREAT | O_DIRECT, 0600);
    if (file == -1)
        SKIP("this file system has no direct I/O");
    unsigned char *memory;
    CHECK(posix_memalign((void **)&memory, BLOCK, LARGE) == 0);
    for (int i = 0; i < LARGE; i++)
        memory[i] = (unsigned char)(i / BLOCK + i);
    CHECK(pwrite(file, memory, LARGE, 0) == LARGE);
    CHECK(pipe(ends) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
    memset(memory, 0, LARGE);
    CHECK(pread(file, memory, BLOCK, 0) == BLOCK && memory[1] == 1);
    CHECK(pread(file, memory, LARGE, 0) == LARGE && memory[LARGE - 1] == (unsigned char)(LARGE / BLOCK - 1 + LARGE - 1));
    struct iovec pieces[3] = {{memory + 8 * BLOCK, BLOCK}, {memory, 2 * BLOCK}, {memory + 20 * BLOCK, BLOCK}};
    CHECK(preadv(file, pieces, 3, BLOCK) == 4 * BLOCK);
    CHECK(memory[8 * BLOCK] == 1 && memory[0] == 2 && memory[BLOCK] == 3 && memory[20 * BLOCK] == 4);
    say("read %u %u\n", memory[8 * BLOCK + 7], memory[20 * BLOCK + 9]);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    return success();
}
