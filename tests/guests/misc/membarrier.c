// membarrier's commands are queried, registered and used.
#include "guest.h"
#include <linux/membarrier.h>

int main(void) {
    long supported = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (supported == -1 && errno == ENOSYS)
        SKIP("membarrier is not there");
    if (supported & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
        CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
        CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    }
    CHECK_ERRNO(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
    say("supported %lx\n", supported);
    return success();
}
