// Numbers that no kernel knows return ENOSYS, negative and huge ones too.
#include "guest.h"

int main(void) {
    // A container's filter answers for the kernel; an engine that never asks it answers as the kernel would.
    if (prctl(PR_GET_SECCOMP) != 0 && syscall(600) == -1 && errno == EPERM)
        SKIP("a filter denies unknown calls here");
    long numbers[] = {600, 5000, 0x3ffffff, -1, -600, 1L << 40 | 600};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_ERRNO(syscall(numbers[i], 1, 2, 3, 4, 5, 6), ENOSYS);
        say("%ld\n", numbers[i]);
    }
    say("pid %d\n", (int)getpid());
    return success();
}
