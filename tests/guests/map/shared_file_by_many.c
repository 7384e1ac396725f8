// Many short-lived processes, two at a time, open, map, lock, increment and unmap one file: every increment is seen by the next.
#include "guest.h"

static void increment(void) {
    int fd = open("counter", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    volatile int *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(counter != MAP_FAILED);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    CHECK(fcntl(fd, F_SETLKW, &lock) == 0);
    int value = *counter + 1;
    *counter = value;
    lock.l_type = F_UNLCK;
    CHECK(fcntl(fd, F_SETLK, &lock) == 0);
    CHECK(munmap((void *)counter, 4096) == 0 && close(fd) == 0);
    say("%d by %d\n", value, (int)getpid());
}

int main(void) {
    enter_scratch();
    pid_t starters[2];
    for (int i = 0; i < 2; i++) {
        starters[i] = fork_checked();
        if (starters[i])
            continue;
        for (int round = 0; round < 20; round++) {
            pid_t child = fork_checked();
            if (child == 0) {
                increment();
                _exit(0);
            }
            reap_exit(child, 0);
        }
        _exit(0);
    }
    reap_exit(starters[0], 0);
    reap_exit(starters[1], 0);
    int got = 0, fd = open("counter", O_RDONLY);
    CHECK(pread(fd, &got, sizeof got, 0) == sizeof got && got == 40);
    return success();
}
