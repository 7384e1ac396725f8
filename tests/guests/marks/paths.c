// Marks by paths: each call that can ask for a path fails with ENOENT as it does natively, whatever the mark says.
#include "guest.h"
#include <linux/openat2.h>

#define MARK "/.reenact/mark/"

static long statx_of(const char *path) {
    struct statx status;
    return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &status);
}

static long open_by_how(const char *path) {
    struct open_how how = {.flags = O_RDONLY};
    return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

int main(void) {
    struct stat status;
    CHECK_ERRNO(access(MARK "phase/start", F_OK), ENOENT);
    CHECK_ERRNO(faccessat(AT_FDCWD, MARK "note/faccessat", R_OK, 0), ENOENT);
    CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, MARK "note/faccessat2", F_OK, AT_EACCESS), ENOENT);
    CHECK_ERRNO(syscall(SYS_stat, MARK "note/stat", &status), ENOENT);
    CHECK_ERRNO(syscall(SYS_lstat, MARK "note/lstat", &status), ENOENT);
    CHECK_ERRNO(fstatat(AT_FDCWD, MARK "note/fstatat", &status, 0), ENOENT);
    CHECK_ERRNO(fstatat(AT_FDCWD, MARK "note/not%20followed", &status, AT_SYMLINK_NOFOLLOW), ENOENT);
    CHECK_ERRNO(statx_of(MARK "note/statx"), ENOENT);
    CHECK_ERRNO(syscall(SYS_open, MARK "note/open", O_RDONLY), ENOENT);
    CHECK_ERRNO(syscall(SYS_creat, MARK "note/creat", 0644), ENOENT);
    CHECK_ERRNO(openat(AT_FDCWD, MARK "note/openat", O_RDWR | O_CREAT, 0644), ENOENT);
    CHECK(open_by_how(MARK "note/openat2") == -1 && (errno == ENOENT || errno == ENOSYS));
    // Errors that come before the path is looked at stay what they are.
    CHECK_ERRNO(access(MARK "note/wrong-mode", 0x100), EINVAL);
    CHECK_ERRNO(fstatat(AT_FDCWD, MARK "note/wrong-flags", &status, 0x40000000), EINVAL);
    // Cut behind 1,024 bytes; too long for a path is an error of its own.
    char path[6000] = MARK "note/";
    memset(path + strlen(path), 'x', 3000);
    CHECK_ERRNO(access(path, F_OK), ENOENT);
    memset(path + strlen(path), 'y', 2000);
    CHECK_ERRNO(access(path, F_OK), ENAMETOOLONG);
    char sum[200];
    snprintf(sum, sizeof sum, MARK "checksum/pid%%2Fof this/%x", (unsigned)getpid());
    for (int i = 0; i < 20; i++)
        CHECK_ERRNO(access(sum, F_OK), ENOENT);
    say("pid %d\n", (int)getpid());
    return success();
}
