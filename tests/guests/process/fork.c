// A child gets its own copy of memory and descriptors' offsets in common, and its exit code reaches the parent.
#include "guest.h"

int main(void) {
    enter_scratch();
    int value = 1;
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    pid_t parent = getpid();
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(getppid() == parent && getpid() != parent);
        value = 2;
        write_all(fd, "child", 5);
        _exit(42);
    }
    reap_exit(child, 42);
    CHECK(value == 1);
    CHECK(lseek(fd, 0, SEEK_CUR) == 5);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    say("parent %d child %d\n", (int)parent, (int)child);
    return success();
}
