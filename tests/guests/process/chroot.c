// chroot changes what paths mean for one child alone.
#include "guest.h"

int main(void) {
    enter_scratch();
    write_file("inside", "x");
    pid_t child = fork_checked();
    if (child == 0) {
        if (chroot(".") != 0) {
            CHECK(errno == EPERM);
            say("no right to chroot\n");
            _exit(0);
        }
        CHECK(access("/inside", F_OK) == 0);
        CHECK_ERRNO(access("/proc/self", F_OK), ENOENT);
        CHECK(chdir("/") == 0);
        CHECK(access("../../inside", F_OK) == 0);
        say("inside\n");
        _exit(0);
    }
    reap_exit(child, 0);
    CHECK_ERRNO(access("/inside", F_OK), ENOENT);
    return success();
}
