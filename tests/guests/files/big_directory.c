// A directory of 3,000 entries takes several getdents calls, and scandir sorts them.
#include "guest.h"
#include <dirent.h>

int main(void) {
    enter_scratch();
    char name[200];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "an-entry-with-quite-a-long-name-so-that-buffers-fill-%05d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
    }
    int fd = open(".", O_RDONLY | O_DIRECTORY), calls = 0, entries = 0;
    char buffer[4096];
    long got;
    while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        calls++;
        for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16))
            entries++;
    }
    CHECK(got == 0 && entries == 3002 && calls > 10);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK_ERRNO(syscall(SYS_getdents64, fd, buffer, 1), EINVAL);
    struct dirent **list;
    CHECK(scandir(".", &list, NULL, alphasort) == 3002);
    for (int i = 2; i < 3002; i++)
        CHECK(atoi(list[i]->d_name + strlen(list[i]->d_name) - 5) == i - 2);
    say("%d calls, first inode %lu\n", calls, (unsigned long)list[2]->d_ino);
    return success();
}
