// A call whose buffer lies in a protected page returns EFAULT, and never runs the program's SIGSEGV handler.
#include "guest.h"

static volatile int handled;

static void handler(int number) {
    (void)number;
    handled++;
}

int main(void) {
    install(SIGSEGV, handler, SA_RESETHAND);
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mprotect(area + 4096, 4096, PROT_NONE) == 0);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK(write(pipes[1], "0123456789", 10) == 10);
    CHECK_ERRNO(read(pipes[0], area + 4096, 5), EFAULT);
    CHECK_ERRNO(write(pipes[1], area + 4096, 5), EFAULT);
    CHECK_ERRNO(clock_gettime(12345, (struct timespec *)area), EINVAL);
    CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, area + 4096), EFAULT);
    CHECK_ERRNO(syscall(SYS_uname, bad_pointer()), EFAULT);
    CHECK_ERRNO(syscall(SYS_wait4, -1, bad_pointer(), WNOHANG, 0), ECHILD);
    CHECK(handled == 0);
    say("area %p\n", (void *)area);
    return success();
}
