// Opening a fifo waits for the other side, bytes go through it, and its end is seen.
#include "guest.h"

int main(void) {
    enter_scratch();
    CHECK(mkfifo("fifo", 0600) == 0);
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    pid_t child = fork_checked();
    if (child == 0) {
        int to = open("fifo", O_WRONLY);
        CHECK(to >= 0);
        dprintf(to, "child %d\n", (int)getpid());
        sleep_ms(10);
        dprintf(to, "second\n");
        _exit(0);
    }
    int from = open("fifo", O_RDONLY);
    CHECK(from >= 0);
    char text[100] = "";
    ssize_t length = 0, got;
    while ((got = read(from, text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += got;
    CHECK(strstr(text, "\nsecond\n"));
    reap_exit(child, 0);
    say("%s", text);
    return success();
}
