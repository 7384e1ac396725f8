// Three megabytes are written and read by one call each, by pieces, and by a vector of pieces.
#include "guest.h"

#define SIZE (3u << 20)

int main(void) {
    enter_scratch();
    unsigned char *bytes = malloc(SIZE), *back = malloc(SIZE);
    uint64_t state = now_ns(CLOCK_REALTIME) | 1;
    for (size_t i = 0; i < SIZE; i += 8) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        memcpy(bytes + i, &state, 8);
    }
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    CHECK(write(fd, bytes, SIZE) == SIZE);
    CHECK(pread(fd, back, SIZE, 0) == SIZE && memcmp(bytes, back, SIZE) == 0);
    memset(back, 0, SIZE);
    struct iovec pieces[100];
    for (int i = 0; i < 100; i++)
        pieces[i] = (struct iovec){back + i * (SIZE / 100), SIZE / 100};
    CHECK(preadv(fd, pieces, 100, 0) == SIZE / 100 * 100);
    CHECK(memcmp(bytes, back, SIZE / 100 * 100) == 0);
    say("last state %016lx\n", state);
    write_all(1, "", 0);
    return success();
}
