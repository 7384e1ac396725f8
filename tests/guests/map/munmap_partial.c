// Unmapping the middle of a mapping leaves both ends alone, and the hole can be filled again.
#include "guest.h"

int main(void) {
    char *area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 9, 16 * 4096);
    CHECK(munmap(area + 4 * 4096, 8 * 4096) == 0);
    unsigned char resident[16];
    CHECK_ERRNO(mincore(area, 16 * 4096, resident), ENOMEM);
    CHECK(area[4 * 4096 - 1] == 9 && area[12 * 4096] == 9);
    CHECK(write(open("/dev/null", O_WRONLY), area, 1) == 1);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK_ERRNO(write(pipes[1], area + 5 * 4096, 1), EFAULT);
    char *filled = mmap(area + 4 * 4096, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(filled == area + 4 * 4096 && filled[0] == 0);
    CHECK(munmap(area, 16 * 4096) == 0);
    CHECK(munmap(area, 16 * 4096) == 0);
    say("area at %p\n", (void *)area);
    return success();
}
