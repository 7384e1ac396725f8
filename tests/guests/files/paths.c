// getcwd, access, faccessat, openat with directories, O_PATH, O_NOFOLLOW, O_DIRECTORY, realpath and openat2.
#include "guest.h"
#include <linux/openat2.h>

int main(void) {
    enter_scratch();
    char directory[PATH_MAX], resolved[PATH_MAX];
    CHECK(getcwd(directory, sizeof directory));
    CHECK_ERRNO(syscall(SYS_getcwd, resolved, 3), ERANGE);
    CHECK(mkdir("below", 0755) == 0 && symlink("below", "link") == 0);
    write_file("below/file", "x");
    CHECK(access("below/file", R_OK | W_OK) == 0);
    CHECK_ERRNO(access("absent", F_OK), ENOENT);
    CHECK_ERRNO(access("below/file", X_OK), EACCES);
    CHECK(faccessat(AT_FDCWD, "below/file", R_OK, AT_EACCESS) == 0);
    int below = openat(AT_FDCWD, "below", O_RDONLY | O_DIRECTORY);
    CHECK(below >= 0 && faccessat(below, "file", F_OK, 0) == 0 && openat(below, "file", O_RDONLY) >= 0);
    CHECK_ERRNO(open("below/file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERRNO(open("below", O_WRONLY), EISDIR);
    int path = open("below/file", O_PATH);
    char byte;
    CHECK(path >= 0);
    CHECK_ERRNO(read(path, &byte, 1), EBADF);
    struct stat status;
    CHECK(fstat(path, &status) == 0 && status.st_size == 1);
    CHECK(realpath("link/../link/file", resolved) && strncmp(resolved, directory, strlen(directory)) == 0);
    CHECK(strcmp(resolved + strlen(resolved) - 11, "/below/file") == 0);
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    long opened = syscall(SYS_openat2, below, "file", &how, sizeof how);
    CHECK(opened >= 0 || errno == ENOSYS || errno == EPERM);
    if (opened >= 0)
        CHECK_ERRNO(syscall(SYS_openat2, below, "../below/file", &how, sizeof how), EXDEV);
    say("%s\n", resolved);
    return success();
}
