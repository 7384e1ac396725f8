// Descriptors go over exec with their offsets, except those marked close-on-exec.
#include "guest.h"

int main(int argc, char **argv) {
    if (argc > 1) {
        int kept = atoi(argv[1]), closed = atoi(argv[2]);
        char text[6] = "";
        CHECK(read(kept, text, 5) == 5 && strcmp(text, "world") == 0);
        CHECK_ERRNO(fcntl(closed, F_GETFD), EBADF);
        CHECK_ERRNO(read(closed, text, 1), EBADF);
        return success();
    }
    enter_scratch();
    write_file("file", "helloworld");
    int kept = open("file", O_RDONLY), closed = open("file", O_RDONLY | O_CLOEXEC), text_fd = open("file", O_RDONLY);
    char text[8], first[16], second[16];
    CHECK(read(kept, text, 5) == 5);
    CHECK(fcntl(text_fd, F_SETFD, FD_CLOEXEC) == 0);
    leave_scratch();
    snprintf(first, sizeof first, "%d", kept);
    snprintf(second, sizeof second, "%d", closed);
    say("kept %s closed %s\n", first, second);
    execl(self_path(), "exec_descriptors", first, second, (char *)NULL);
    CHECK(!"exec");
}
