// stat, fstat, lstat, fstatat and statx agree with each other and with what was done to the file.
#include "guest.h"
#include <sys/sysmacros.h>

int main(void) {
    enter_scratch();
    struct stat by_name, by_fd, by_at;
    struct statx extended;
    write_file("file", "12345");
    int fd = open("file", O_RDWR);
    CHECK(stat("file", &by_name) == 0 && fstat(fd, &by_fd) == 0 && fstatat(AT_FDCWD, "file", &by_at, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(memcmp(&by_name, &by_fd, sizeof by_name) == 0 && memcmp(&by_name, &by_at, sizeof by_name) == 0);
    CHECK(fstatat(fd, "", &by_at, AT_EMPTY_PATH) == 0 && by_at.st_ino == by_fd.st_ino);
    CHECK(by_name.st_size == 5 && S_ISREG(by_name.st_mode) && by_name.st_nlink == 1 && by_name.st_uid == geteuid());
    CHECK(statx(AT_FDCWD, "file", 0, STATX_ALL, &extended) == 0);
    CHECK(extended.stx_ino == by_name.st_ino && extended.stx_size == 5 && extended.stx_mode == by_name.st_mode);
    CHECK(extended.stx_mtime.tv_sec == by_name.st_mtim.tv_sec && extended.stx_mtime.tv_nsec == by_name.st_mtim.tv_nsec);
    CHECK(makedev(extended.stx_dev_major, extended.stx_dev_minor) == by_name.st_dev);
    CHECK(chmod("file", 0640) == 0 && fchmod(fd, 0641) == 0 && fstat(fd, &by_fd) == 0 && (by_fd.st_mode & 07777) == 0641);
    CHECK(chown("file", getuid(), getgid()) == 0 && fchown(fd, (uid_t)-1, (gid_t)-1) == 0);
    CHECK(stat("/dev/null", &by_name) == 0 && S_ISCHR(by_name.st_mode) && by_name.st_rdev == makedev(1, 3));
    CHECK_ERRNO(stat("absent", &by_name), ENOENT);
    CHECK_ERRNO(stat("file/below", &by_name), ENOTDIR);
    CHECK_ERRNO(fstat(999, &by_name), EBADF);
    say("inode %lu device %lu time %ld.%09ld\n", (unsigned long)by_fd.st_ino, (unsigned long)by_fd.st_dev, by_fd.st_mtim.tv_sec, by_fd.st_mtim.tv_nsec);
    return success();
}
