// An O_TMPFILE file has no name until it is given one.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR))
        SKIP("the file system has no unnamed files");
    CHECK(fd >= 0);
    struct stat status;
    CHECK(write(fd, "unnamed", 7) == 7 && fstat(fd, &status) == 0 && status.st_nlink == 0);
    char path[64], text[16];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
    read_file("named", text, sizeof text);
    CHECK(strcmp(text, "unnamed") == 0);
    say("inode %lu\n", (unsigned long)status.st_ino);
    return success();
}
