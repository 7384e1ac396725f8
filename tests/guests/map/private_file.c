// Writes to a private file mapping stay in this process and never reach the file; an offset is honoured.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    for (int page = 0; page < 4; page++) {
        char bytes[4096];
        memset(bytes, 'a' + page, sizeof bytes);
        write_all(fd, bytes, sizeof bytes);
    }
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    CHECK(area != MAP_FAILED && area[0] == 'b' && area[4096] == 'c');
    CHECK(close(fd) == 0);
    area[0] = 'X';
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(area[0] == 'X');
        area[0] = 'Y';
        _exit(0);
    }
    reap_exit(child, 0);
    CHECK(area[0] == 'X');
    char byte;
    fd = open("file", O_RDONLY);
    CHECK(pread(fd, &byte, 1, 4096) == 1 && byte == 'b');
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 5) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED && errno == EBADF);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
    say("area %p\n", (void *)area);
    return success();
}
