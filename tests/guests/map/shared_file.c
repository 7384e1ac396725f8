// A shared file mapping and the file's descriptor are two views of the same bytes, in both directions and after truncation.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    CHECK(ftruncate(fd, 8192) == 0);
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED);
    char seen[32] = "";
    snprintf(area + 100, 32, "written by memory, pid %d", (int)getpid());
    CHECK(pread(fd, seen, 31, 100) == 31 && strcmp(seen, area + 100) == 0);
    CHECK(pwrite(fd, "through the descriptor", 22, 5000) == 22);
    CHECK(memcmp(area + 5000, "through the descriptor", 22) == 0);
    for (int round = 0; round < 50; round++) {
        area[0] = (char)round;
        CHECK(pread(fd, seen, 1, 0) == 1 && seen[0] == round);
        seen[0] = (char)(round + 100);
        CHECK(pwrite(fd, seen, 1, 0) == 1);
        CHECK(area[0] == (char)(round + 100));
    }
    CHECK(msync(area, 8192, MS_SYNC) == 0);
    int second = open("file", O_RDWR);
    char *other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, second, 0);
    CHECK(other != MAP_FAILED);
    area[7] = 'z';
    CHECK(other[7] == 'z');
    CHECK(ftruncate(fd, 4096) == 0 && ftruncate(fd, 8192) == 0);
    CHECK(area[5000] == 0);
    CHECK(munmap(area, 8192) == 0);
    CHECK(pread(fd, seen, 31, 100) == 31);
    say("%s\n", seen);
    return success();
}
