// MADV_DONTNEED drops anonymous pages to zero and file pages to the file; MADV_FREE leaves old bytes or zeros.
#include "guest.h"

int main(void) {
    enter_scratch();
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 7, 8192);
    CHECK(madvise(area, 4096, MADV_DONTNEED) == 0);
    CHECK(area[0] == 0 && area[4095] == 0 && area[4096] == 7);
    if (madvise(area + 4096, 4096, MADV_FREE) == 0)
        CHECK(area[4096] == 7 || area[4096] == 0);
    write_file("file", "from the file");
    int fd = open("file", O_RDONLY);
    char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(mapped != MAP_FAILED);
    memcpy(mapped, "changed", 7);
    CHECK(madvise(mapped, 4096, MADV_DONTNEED) == 0);
    CHECK(strcmp(mapped, "from the file") == 0);
    CHECK(madvise(area, 8192, MADV_WILLNEED) == 0);
    CHECK_ERRNO(madvise(area, 8192, 12345), EINVAL);
    say("area %p\n", (void *)area);
    return success();
}
