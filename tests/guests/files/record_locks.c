// fcntl locks on ranges: who holds what, waiting for them, deadlock detection, and locks of open file descriptions.
#include "guest.h"

static int lock(int fd, int command, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &lock);
}

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT, 0644), turn[2];
    CHECK(pipe(turn) == 0);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 10, 10) == 0);
    pid_t parent = getpid();
    pid_t child = fork_checked();
    if (child == 0) {
        struct flock query = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};
        CHECK(fcntl(fd, F_GETLK, &query) == 0);
        CHECK(query.l_type == F_WRLCK && query.l_start == 10 && query.l_len == 10 && query.l_pid == parent);
        CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
        CHECK(lock(fd, F_SETLK, F_RDLCK, 15, 1) == -1 && (errno == EAGAIN || errno == EACCES));
        write_all(turn[1], "x", 1);
        CHECK(lock(fd, F_SETLKW, F_WRLCK, 15, 1) == 0);
        _exit(0);
    }
    char byte;
    read_all(turn[0], &byte, 1);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 5, 1) == -1);
    CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
    reap_exit(child, 0);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0);
    int other = open("file", O_RDWR);
    CHECK(lock(other, F_OFD_SETLK, F_WRLCK, 200, 1) == 0);
    CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 200, 1) == -1 && errno == EAGAIN);
    CHECK(lockf(fd, F_TEST, 10) == 0);
    say("child %d\n", (int)child);
    return success();
}
