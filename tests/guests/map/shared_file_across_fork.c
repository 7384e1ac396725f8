// A child writes to a mapped file, the parent reads it through its own descriptor and mapping once the child is reaped.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    CHECK(ftruncate(fd, 4096) == 0);
    for (int round = 0; round < 10; round++) {
        pid_t child = fork_checked();
        if (child == 0) {
            int *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("file", O_RDWR), 0);
            CHECK(area != MAP_FAILED);
            area[round] = (int)getpid();
            _exit(0);
        }
        reap_exit(child, 0);
        int got;
        CHECK(pread(fd, &got, sizeof got, (off_t)(round * sizeof got)) == sizeof got && got == child);
        say("%d ", got);
    }
    int *area = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED && area[9] != 0 && area[10] == 0);
    say("\n");
    return success();
}
