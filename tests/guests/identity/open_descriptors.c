// Only stdin, stdout and stderr are open at start, by /proc/self/fd, by fcntl and by the next free number.
#include "guest.h"
#include <dirent.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc == 1) {
        // Whoever started this guest may have leaked a descriptor into it; that is not this guest's affair.
        CHECK(close_range(3, ~0u, 0) == 0);
        execl(self_path(), "open_descriptors", "clean", (char *)NULL);
        CHECK(!"exec");
    }
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        int fd = atoi(entry->d_name);
        say("fd %d\n", fd);
        CHECK(fd <= 2 || fd == dirfd(directory));
    }
    CHECK(closedir(directory) == 0);
    for (int fd = 3; fd < 4096; fd++)
        CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK(dup(0) == 3 && dup(0) == 4 && close(3) == 0 && dup(0) == 3);
    char path[64], target[64];
    for (int fd = 5; fd < 100; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        CHECK_ERRNO(readlink(path, target, sizeof target), ENOENT);
    }
    return success();
}
