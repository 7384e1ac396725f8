// fsync, fdatasync, sync_file_range, syncfs and sync do what they say and report bad descriptors.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT | O_DSYNC, 0644);
    write_all(fd, "x", 1);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
    CHECK(sync_file_range(fd, 0, 1, SYNC_FILE_RANGE_WRITE) == 0 || errno == ENOSYS || errno == ESPIPE);
    int directory = open(".", O_RDONLY);
    CHECK(fsync(directory) == 0);
    CHECK_ERRNO(fsync(999), EBADF);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK_ERRNO(fsync(pipes[0]), EINVAL);
    say("pid %d\n", (int)getpid());
    return success();
}
