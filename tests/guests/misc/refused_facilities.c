// io_uring, libaio, userfaultfd, rseq and bpf may be refused; a program that asks for them takes its fallback and goes on.
#include "guest.h"

int main(void) {
    char parameters[200] = {0};
    long context = 0;
    long ring = syscall(SYS_io_uring_setup, 4, parameters);
    CHECK(ring >= 0 || errno == ENOSYS || errno == EPERM || errno == EINVAL);
    long aio = syscall(SYS_io_setup, 4, &context);
    CHECK(aio == 0 || errno == ENOSYS || errno == EPERM);
    long fault = syscall(SYS_userfaultfd, O_CLOEXEC);
    CHECK(fault >= 0 || errno == ENOSYS || errno == EPERM);
    CHECK(syscall(SYS_bpf, 9999, NULL, 0) == -1);
    CHECK(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0) == -1);
    CHECK(syscall(SYS_rseq, NULL, 0, 0, 0) == -1);
    say("pid %d\n", (int)getpid());
    return success();
}
