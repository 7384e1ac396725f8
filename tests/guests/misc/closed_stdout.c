// A program that closes stdout fails to write there with EBADF, opens a file under its number, and can go on to stderr.
#include "guest.h"

int main(void) {
    int kept = dup(1);
    CHECK(close(1) == 0);
    CHECK_ERRNO(write(1, "x", 1), EBADF);
    enter_scratch();
    CHECK(open("file", O_RDWR | O_CREAT, 0644) == 1);
    say("into the file, not to stdout: %d\n", (int)getpid());
    char text[100] = "";
    CHECK(pread(1, text, 99, 0) > 0 && strncmp(text, "into the file", 13) == 0);
    dprintf(2, "%s", text);
    CHECK(dup2(kept, 1) == 1);
    return success();
}
