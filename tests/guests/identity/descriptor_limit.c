// A program that opens until EMFILE gets exactly as many descriptors as its limit says, and can fork and exec there.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return success();
    CHECK(close_range(3, ~0u, 0) == 0);
    struct rlimit limit = {50, 50};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int opened = 0, fd;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        CHECK(fd == 3 + opened);
        opened++;
    }
    CHECK(errno == EMFILE && opened == 47);
    CHECK_ERRNO(dup(0), EMFILE);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
    int pipes[2];
    CHECK_ERRNO(pipe(pipes), EMFILE);
    pid_t child = fork_checked();
    if (child == 0)
        _exit(0);
    reap_exit(child, 0);
    say("%d opened\n", opened);
    CHECK(close(20) == 0);
    execl(self_path(), "descriptor_limit", "again", (char *)NULL);
    CHECK(!"exec");
}
