// flock keeps another process out until it is released, and without waiting says EWOULDBLOCK.
#include "guest.h"
#include <sys/file.h>

int main(void) {
    enter_scratch();
    write_file("lock", "");
    int fd = open("lock", O_RDWR), turn[2];
    CHECK(pipe(turn) == 0);
    CHECK(flock(fd, LOCK_EX) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        int own = open("lock", O_RDWR);
        CHECK_ERRNO(flock(own, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        CHECK_ERRNO(flock(own, LOCK_SH | LOCK_NB), EWOULDBLOCK);
        write_all(turn[1], "x", 1);
        CHECK(flock(own, LOCK_EX) == 0);
        char text[8] = "";
        CHECK(pread(own, text, 8, 0) == 6 && strcmp(text, "parent") == 0);
        CHECK(flock(own, LOCK_UN) == 0);
        _exit(0);
    }
    char byte;
    read_all(turn[0], &byte, 1);
    CHECK(pwrite(fd, "parent", 6, 0) == 6);
    CHECK(flock(fd, LOCK_UN) == 0);
    reap_exit(child, 0);
    CHECK(flock(fd, LOCK_SH) == 0);
    say("child %d\n", (int)child);
    return success();
}
