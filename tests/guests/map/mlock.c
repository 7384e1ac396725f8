// mlock and munlock of a few pages work, and the contents stay.
#include "guest.h"

int main(void) {
    char *area = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(area != MAP_FAILED);
    area[3] = 3;
    int locked = mlock(area, 16384);
    CHECK(locked == 0 || errno == EPERM || errno == ENOMEM);
    CHECK(munlock(area, 16384) == 0);
    CHECK(area[3] == 3);
    CHECK_ERRNO(mlock((void *)0x1000, 4096), ENOMEM);
    say("area %p locked %d\n", (void *)area, locked);
    return success();
}
