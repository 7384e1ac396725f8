// utimensat sets times to the nanosecond, to now, or leaves one alone; writing and reading change them.
#include "guest.h"
#include <utime.h>

int main(void) {
    enter_scratch();
    write_file("file", "x");
    struct stat status;
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    CHECK(utimensat(AT_FDCWD, "file", times, 0) == 0 && stat("file", &status) == 0);
    CHECK(status.st_atim.tv_sec == 1000000000 && status.st_mtim.tv_sec == 1100000000 && status.st_mtim.tv_nsec == 987654321);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    int fd = open("file", O_RDWR);
    CHECK(futimens(fd, times) == 0 && fstat(fd, &status) == 0);
    CHECK(status.st_atim.tv_sec == 1000000000 && status.st_mtim.tv_sec > 1500000000);
    struct utimbuf old = {5, 6};
    CHECK(utime("file", &old) == 0 && stat("file", &status) == 0 && status.st_atime == 5 && status.st_mtime == 6);
    CHECK(write(fd, "y", 1) == 1 && fstat(fd, &status) == 0 && status.st_mtime > 1500000000);
    say("%ld.%09ld\n", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    return success();
}
