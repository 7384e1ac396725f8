// A memfd is a file without a name: written, mapped shared, sealed, and reachable through /proc/self/fd.
#include "guest.h"

int main(void) {
    int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK(ftruncate(fd, 10000) == 0);
    char *area = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED);
    strcpy(area + 9000, "in memory");
    char seen[10];
    CHECK(pread(fd, seen, 10, 9000) == 10 && strcmp(seen, "in memory") == 0);
    CHECK(munmap(area, 10000) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
    CHECK_ERRNO(write(fd, "x", 1), EPERM);
    CHECK_ERRNO(ftruncate(fd, 5), EPERM);
    CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK));
    char link[64], target[64] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    CHECK(readlink(link, target, sizeof target - 1) > 0);
    CHECK(strstr(target, "memfd:guest"));
    int again = open(link, O_RDONLY);
    CHECK(again >= 0 && pread(again, seen, 10, 9000) == 10 && strcmp(seen, "in memory") == 0);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && status.st_size == 10000);
    say("%s inode %lu\n", target, (unsigned long)status.st_ino);
    return success();
}
