// sendfile sends a file of a megabyte through a TCP connection, in as many calls as it takes.
#include "loopback.h"
#include <sys/sendfile.h>

int main(void) {
    enter_scratch();
    int file = open("file", O_RDWR | O_CREAT, 0644);
    unsigned numbers[1024];
    for (unsigned block = 0; block < 256; block++) {
        for (unsigned i = 0; i < 1024; i++)
            numbers[i] = block * 1024 + i;
        write_all(file, numbers, sizeof numbers);
    }
    uint16_t port;
    int server = listening(&port);
    pid_t child = fork_checked();
    if (child == 0) {
        int fd = connected(port);
        for (unsigned block = 0; block < 256; block++) {
            read_all(fd, numbers, sizeof numbers);
            for (unsigned i = 0; i < 1024; i++)
                CHECK(numbers[i] == block * 1024 + i);
        }
        _exit(read(fd, numbers, 1) == 0 ? 0 : 1);
    }
    int fd = accept(server, NULL, NULL);
    off_t offset = 0;
    while (offset < 1 << 20)
        CHECK(sendfile(fd, file, &offset, (1 << 20) - (size_t)offset) > 0);
    CHECK(close(fd) == 0);
    reap_exit(child, 0);
    say("port %d\n", port);
    return success();
}
