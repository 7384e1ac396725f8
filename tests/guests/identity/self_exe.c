// /proc/self/exe is this program by readlink, open, stat and its siblings, and stays so over a fork.
#include "guest.h"

static void check(const char *link, const struct stat *expected) {
    char path[PATH_MAX];
    ssize_t length = readlink(link, path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    CHECK(strcmp(strrchr(path, '/') + 1, program_invocation_short_name) == 0);
    char small[4];
    CHECK(readlink(link, small, 4) == 4 && memcmp(small, path, 4) == 0);
    struct stat status;
    CHECK(stat(path, &status) == 0 && status.st_ino == expected->st_ino);
    CHECK(stat(link, &status) == 0 && status.st_ino == expected->st_ino && status.st_dev == expected->st_dev);
    CHECK(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
    CHECK(access(link, X_OK) == 0);
    int fd = open(link, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && status.st_ino == expected->st_ino);
    char magic[4];
    CHECK(read(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0);
    CHECK(close(fd) == 0);
    CHECK_ERRNO(open(link, O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(realpath(link, path) && strcmp(strrchr(path, '/') + 1, program_invocation_short_name) == 0);
}

int main(void) {
    struct stat self;
    char link[64];
    CHECK(stat(program_invocation_name, &self) == 0);
    check("/proc/self/exe", &self);
    check("/proc/thread-self/exe", &self);
    snprintf(link, sizeof link, "/proc/%d/exe", (int)getpid());
    check(link, &self);
    pid_t child = fork_checked();
    if (child == 0) {
        check("/proc/self/exe", &self);
        snprintf(link, sizeof link, "/proc/%d/exe", (int)getppid());
        check(link, &self);
        _exit(0);
    }
    reap_exit(child, 0);
    int directory = open("/proc/self", O_RDONLY | O_DIRECTORY);
    char path[PATH_MAX];
    ssize_t length = readlinkat(directory, "exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    CHECK(strcmp(strrchr(path, '/') + 1, program_invocation_short_name) == 0);
    say("%s inode %lu\n", path, (unsigned long)self.st_ino);
    return success();
}
