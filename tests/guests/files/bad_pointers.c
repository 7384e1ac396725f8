// Calls with addresses that are not mapped return EFAULT, and the program goes on.
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>

int main(void) {
    enter_scratch();
    struct stat status;
    char bytes[10], path[] = "file";
    void *bad = bad_pointer();
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    write_all(fd, "content", 7);
    CHECK_ERRNO(pread(fd, bad, 5, 0), EFAULT);
    CHECK_ERRNO(write(fd, bad, 5), EFAULT);
    CHECK_ERRNO(syscall(SYS_open, bad, O_RDONLY), EFAULT);
    CHECK_ERRNO(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY), EFAULT);
    CHECK_ERRNO(syscall(SYS_stat, bad, &status), EFAULT);
    CHECK_ERRNO(syscall(SYS_stat, path, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, path, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_fstat, fd, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, path, 0, STATX_ALL, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_readlink, "/proc/self/exe", bad, 100), EFAULT);
    CHECK_ERRNO(syscall(SYS_getcwd, bad, 100), EFAULT);
    CHECK_ERRNO(syscall(SYS_pipe, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_readv, fd, bad, 1), EFAULT);
    struct iovec piece = {bad, 5};
    CHECK_ERRNO(preadv(fd, &piece, 1, 0), EFAULT);
    CHECK_ERRNO(writev(fd, &piece, 1), EFAULT);
    CHECK_ERRNO(syscall(SYS_poll, bad, 1, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_getrandom, bad, 10, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_gettimeofday, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_nanosleep, bad, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_sysinfo, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_NOFILE, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad), EFAULT);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK_ERRNO(syscall(SYS_ioctl, pipes[0], 0x541b, bad), EFAULT);
    CHECK_ERRNO(syscall(SYS_getdents64, open(".", O_RDONLY | O_DIRECTORY), bad, 1000), EFAULT);
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(munmap(area + 4096, 4096) == 0);
    CHECK(pread(fd, bytes, 7, 0) == 7);
    // A path that runs into the hole, and a read across it, of which the first part may arrive.
    memset(area, 'p', 4096);
    CHECK_ERRNO(syscall(SYS_open, area + 4090, O_RDONLY), EFAULT);
    ssize_t got = pread(fd, area + 4093, 7, 0);
    CHECK(got == -1 ? errno == EFAULT : got >= 0 && got <= 3);
    say("partial read %zd\n", got);
    return success();
}
