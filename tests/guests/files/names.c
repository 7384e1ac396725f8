// rename, link, unlink, symlink, readlink, mkdir and rmdir, with their failures, and the at-variants of each.
#include "guest.h"

int main(void) {
    enter_scratch();
    struct stat status, other;
    write_file("a", "content of a");
    write_file("b", "content of b");
    CHECK(link("a", "hard") == 0 && stat("a", &status) == 0 && stat("hard", &other) == 0);
    CHECK(status.st_ino == other.st_ino && status.st_nlink == 2);
    CHECK(rename("a", "b") == 0);
    CHECK_ERRNO(stat("a", &status), ENOENT);
    char text[64];
    read_file("b", text, sizeof text);
    CHECK(strcmp(text, "content of a") == 0);
    CHECK(symlink("b", "soft") == 0 && readlink("soft", text, sizeof text) == 1 && text[0] == 'b');
    CHECK(lstat("soft", &status) == 0 && S_ISLNK(status.st_mode) && status.st_size == 1);
    CHECK(stat("soft", &status) == 0 && S_ISREG(status.st_mode));
    CHECK_ERRNO(readlink("b", text, sizeof text), EINVAL);
    CHECK(mkdir("directory", 0755) == 0);
    CHECK_ERRNO(mkdir("directory", 0755), EEXIST);
    int directory = open("directory", O_RDONLY | O_DIRECTORY);
    CHECK(mkdirat(directory, "below", 0700) == 0 && symlinkat("below", directory, "link") == 0);
    CHECK(renameat(AT_FDCWD, "b", directory, "moved") == 0 && linkat(directory, "moved", AT_FDCWD, "again", 0) == 0);
    CHECK(renameat2(AT_FDCWD, "again", AT_FDCWD, "hard", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK_ERRNO(rmdir("directory"), ENOTEMPTY);
    CHECK_ERRNO(rmdir("hard"), ENOTDIR);
    CHECK_ERRNO(unlink("directory"), EISDIR);
    CHECK(unlinkat(directory, "below", AT_REMOVEDIR) == 0 && unlinkat(directory, "link", 0) == 0 && unlinkat(directory, "moved", 0) == 0);
    CHECK(rmdir("directory") == 0);
    CHECK(stat("soft", &status) == -1 && errno == ENOENT);
    int fd = open("hard", O_RDONLY);
    CHECK(unlink("hard") == 0 && unlink("again") == 0 && fstat(fd, &status) == 0 && status.st_nlink == 0);
    CHECK(read(fd, text, 12) == 12 && memcmp(text, "content of a", 12) == 0);
    char name[300];
    memset(name, 'n', 299);
    name[299] = 0;
    CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
    say("inode %lu\n", (unsigned long)status.st_ino);
    return success();
}
