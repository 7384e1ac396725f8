// mincore tells touched pages from untouched ones.
#include "guest.h"

int main(void) {
    char *area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    madvise(area, 16 * 4096, MADV_NOHUGEPAGE);
    area[0] = area[5 * 4096] = 1;
    unsigned char resident[16];
    CHECK(mincore(area, 16 * 4096, resident) == 0);
    CHECK((resident[0] & 1) && (resident[5] & 1) && !(resident[9] & 1));
    for (int i = 0; i < 16; i++)
        say("%d", resident[i] & 1);
    say("\n");
    CHECK_ERRNO(mincore(area + 1, 4096, resident), EINVAL);
    CHECK_ERRNO(mincore(area, 4096, (void *)1), EFAULT);
    return success();
}
