// Extended attributes are set, read, listed and removed, where the file system has them.
#include "guest.h"
#include <sys/xattr.h>

int main(void) {
    enter_scratch();
    write_file("file", "");
    if (setxattr("file", "user.first", "value", 5, 0) == -1) {
        CHECK(errno == ENOTSUP || errno == EPERM);
        SKIP("the file system has no extended attributes");
    }
    int fd = open("file", O_RDONLY);
    CHECK(fsetxattr(fd, "user.second", "another", 7, XATTR_CREATE) == 0);
    CHECK_ERRNO(setxattr("file", "user.first", "x", 1, XATTR_CREATE), EEXIST);
    char value[100], list[100];
    CHECK(getxattr("file", "user.first", value, sizeof value) == 5 && memcmp(value, "value", 5) == 0);
    CHECK(getxattr("file", "user.first", NULL, 0) == 5);
    CHECK_ERRNO(getxattr("file", "user.first", value, 2), ERANGE);
    CHECK_ERRNO(fgetxattr(fd, "user.absent", value, sizeof value), ENODATA);
    CHECK(flistxattr(fd, list, sizeof list) >= 23);
    CHECK(removexattr("file", "user.first") == 0);
    CHECK_ERRNO(getxattr("file", "user.first", value, sizeof value), ENODATA);
    say("pid %d\n", (int)getpid());
    return success();
}
