// sendfile, splice, tee, vmsplice and copy_file_range move bytes without the program touching them.
#include "guest.h"
#include <sys/sendfile.h>

int main(void) {
    enter_scratch();
    char text[200], name[64];
    snprintf(name, sizeof name, "the content of process %d at %ld", (int)getpid(), (long)time(NULL));
    size_t length = strlen(name);
    write_file("from", name);
    int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644), pipes[2], second[2];
    CHECK(pipe(pipes) == 0 && pipe(second) == 0);
    off_t offset = 4;
    CHECK(sendfile(to, from, &offset, 100) == (ssize_t)length - 4 && offset == (off_t)length && lseek(from, 0, SEEK_CUR) == 0);
    CHECK(sendfile(pipes[1], from, NULL, 10) == 10 && lseek(from, 0, SEEK_CUR) == 10);
    CHECK(tee(pipes[0], second[1], 10, 0) == 10);
    CHECK(read(pipes[0], text, 100) == 10 && memcmp(text, name, 10) == 0);
    CHECK(read(second[0], text, 100) == 10 && memcmp(text, name, 10) == 0);
    loff_t at = 0;
    CHECK(splice(from, &at, pipes[1], NULL, length, 0) == (ssize_t)length && at == (loff_t)length);
    at = 1000;
    CHECK(splice(pipes[0], NULL, to, &at, length, 0) == (ssize_t)length);
    CHECK(pread(to, text, length, 1000) == (ssize_t)length && memcmp(text, name, length) == 0);
    struct iovec piece = {name, 5};
    CHECK(vmsplice(pipes[1], &piece, 1, 0) == 5 && read(pipes[0], text, 100) == 5 && memcmp(text, name, 5) == 0);
    // From a read end, vmsplice takes.
    char taken[2][3] = {"", ""};
    struct iovec rooms[2] = {{taken[0], 2}, {taken[1], 3}};
    CHECK(write(pipes[1], name, 4) == 4 && vmsplice(pipes[0], rooms, 2, 0) == 4);
    CHECK(memcmp(taken[0], name, 2) == 0 && memcmp(taken[1], name + 2, 2) == 0);
    loff_t in = 0, out = 2000;
    ssize_t copied = copy_file_range(from, &in, to, &out, length, 0);
    CHECK(copied == (ssize_t)length || (copied == -1 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS)));
    if (copied > 0)
        CHECK(pread(to, text, length, 2000) == (ssize_t)length && memcmp(text, name, length) == 0);
    CHECK_ERRNO(splice(from, NULL, to, NULL, 1, 0), EINVAL);
    say("%s\n", name);
    return success();
}
