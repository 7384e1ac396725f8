// truncate shortens and lengthens with zeros, fallocate reserves and punches holes, SEEK_HOLE and SEEK_DATA find them.
#include "guest.h"
#include <linux/falloc.h>

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    struct stat status;
    char bytes[4096], back[4096];
    memset(bytes, 'x', sizeof bytes);
    write_all(fd, bytes, sizeof bytes);
    CHECK(ftruncate(fd, 10) == 0 && ftruncate(fd, 4096) == 0);
    CHECK(pread(fd, back, 4096, 0) == 4096 && back[9] == 'x' && back[10] == 0 && back[4095] == 0);
    CHECK(truncate("file", 0) == 0 && fstat(fd, &status) == 0 && status.st_size == 0);
    CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
    CHECK(pwrite(fd, bytes, 4096, 0) == 4096 && pwrite(fd, bytes, 4096, 1 << 20) == 4096);
    off_t hole = lseek(fd, 0, SEEK_HOLE), data = lseek(fd, hole, SEEK_DATA);
    CHECK(hole >= 4096 && data <= 1 << 20);
    CHECK_ERRNO(lseek(fd, 2 << 20, SEEK_DATA), ENXIO);
    int reserved = fallocate(fd, 0, 2 << 20, 4096);
    if (reserved == 0)
        CHECK(fstat(fd, &status) == 0 && status.st_size == (2 << 20) + 4096);
    int punched = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
    if (punched == 0)
        CHECK(pread(fd, back, 4096, 0) == 4096 && back[0] == 0 && back[4095] == 0);
    CHECK(posix_fallocate(fd, 0, 8192) == 0);
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && readahead(fd, 0, 4096) == 0);
    CHECK(fstat(fd, &status) == 0);
    say("hole at %ld, data at %ld, %ld blocks, fallocate %d %d\n", (long)hole, (long)data, (long)status.st_blocks, reserved, punched);
    return success();
}
