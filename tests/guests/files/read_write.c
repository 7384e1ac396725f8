// read, write, pread, pwrite, readv, writev, lseek and O_APPEND agree about bytes and offsets.
#include "guest.h"

int main(void) {
    enter_scratch();
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    CHECK_ERRNO(open("file", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    CHECK(write(fd, "hello world", 11) == 11 && lseek(fd, 0, SEEK_CUR) == 11);
    char text[32] = "";
    CHECK(pread(fd, text, 5, 6) == 5 && memcmp(text, "world", 5) == 0 && lseek(fd, 0, SEEK_CUR) == 11);
    CHECK(pwrite(fd, "W", 1, 6) == 1);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && read(fd, text, 32) == 11 && memcmp(text, "hello World", 11) == 0);
    CHECK(read(fd, text, 32) == 0);
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"three", 5}};
    CHECK(lseek(fd, 100, SEEK_SET) == 100 && writev(fd, out, 3) == 8 && lseek(fd, 0, SEEK_END) == 108);
    char first[4] = "", second[10] = "";
    struct iovec in[2] = {{first, 3}, {second, 9}};
    CHECK(preadv(fd, in, 2, 100) == 8 && strcmp(first, "one") == 0 && strcmp(second, "three") == 0);
    CHECK(preadv2(fd, in, 2, 100, 0) == 8);
    CHECK(pread(fd, text, 1, 50) == 1 && text[0] == 0);
    int appending = open("file", O_WRONLY | O_APPEND);
    CHECK(write(appending, "end", 3) == 3 && lseek(appending, 0, SEEK_CUR) == 111);
    CHECK_ERRNO(read(appending, text, 1), EBADF);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(pread(fd, text, 1, -1), EINVAL);
    CHECK_ERRNO(read(999, text, 1), EBADF);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK_ERRNO(lseek(pipes[0], 0, SEEK_SET), ESPIPE);
    int other = dup(fd);
    CHECK(lseek(other, 7, SEEK_SET) == 7 && lseek(fd, 0, SEEK_CUR) == 7);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && status.st_size == 111);
    say("inode %lu\n", (unsigned long)status.st_ino);
    return success();
}
