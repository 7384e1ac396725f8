// Resource limits are read, lowered, inherited by children and exec, and read for another process.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    struct rlimit limit;
    if (argc > 1) {
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 100 && limit.rlim_max == 200);
        return success();
    }
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        CHECK(prlimit(0, resource, NULL, &limit) == 0);
        say("%d: %lu %lu\n", resource, (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
    }
    limit = (struct rlimit){100, 200};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int gate[2];
    CHECK(pipe(gate) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        char byte;
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        _exit(0);
    }
    CHECK(prlimit(child, RLIMIT_NOFILE, NULL, &limit) == 0 && limit.rlim_cur == 100);
    close(gate[1]);
    reap_exit(child, 0);
    limit = (struct rlimit){300, 200};
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
    limit = (struct rlimit){1000, 1000};
    child = fork_checked();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        enter_scratch();
        int fd = open("file", O_WRONLY | O_CREAT, 0644);
        char bytes[2000] = {0};
        CHECK(write(fd, bytes, 2000) == 1000);
        CHECK_ERRNO(write(fd, bytes, 1), EFBIG);
        exit(0);
    }
    reap_exit(child, 0);
    execl(self_path(), "limits", "again", (char *)NULL);
    CHECK(!"exec");
}
