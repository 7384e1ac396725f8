// statfs, fstatfs and statvfs describe the file system, whose free space nobody can predict.
#include "guest.h"
#include <sys/statvfs.h>
#include <sys/vfs.h>

int main(void) {
    enter_scratch();
    struct statfs by_name, by_fd, of_proc;
    struct statvfs portable;
    int fd = open(".", O_RDONLY);
    CHECK(statfs(".", &by_name) == 0 && fstatfs(fd, &by_fd) == 0 && statvfs(".", &portable) == 0);
    CHECK(by_name.f_type == by_fd.f_type && by_name.f_bsize == by_fd.f_bsize && by_name.f_blocks == by_fd.f_blocks);
    CHECK((long)portable.f_bsize == (long)by_name.f_bsize);
    CHECK(statfs("/proc", &of_proc) == 0 && of_proc.f_type == 0x9fa0);
    CHECK_ERRNO(statfs("absent", &by_name), ENOENT);
    say("type %lx free %lu of %lu\n", (unsigned long)by_fd.f_type, (unsigned long)by_fd.f_bfree, (unsigned long)by_fd.f_blocks);
    return success();
}
