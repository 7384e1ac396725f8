// Process groups and sessions: setpgid, getpgid, setsid, getsid, and killpg reaches exactly the group.
#include "guest.h"

int main(void) {
    pid_t children[3];
    int ready[2];
    CHECK(pipe(ready) == 0);
    for (int i = 0; i < 3; i++) {
        children[i] = fork_checked();
        if (children[i] == 0) {
            CHECK(setpgid(0, i == 0 ? 0 : i == 1 ? children[0] : 0) == 0);
            CHECK(getpgrp() == (i == 1 ? children[0] : getpid()));
            write_all(ready[1], "x", 1);
            for (;;)
                pause();
        }
        char byte;
        read_all(ready[0], &byte, 1);
    }
    CHECK(getpgid(children[1]) == children[0] && getpgid(children[2]) == children[2]);
    CHECK(killpg(children[0], SIGTERM) == 0);
    reap_killed(children[0], SIGTERM);
    reap_killed(children[1], SIGTERM);
    CHECK(waitpid(children[2], NULL, WNOHANG) == 0);
    CHECK(kill(-children[2], SIGKILL) == 0);
    reap_killed(children[2], SIGKILL);
    CHECK_ERRNO(killpg(children[0], 0), ESRCH);
    pid_t leader = fork_checked();
    if (leader == 0) {
        CHECK(setsid() == getpid());
        CHECK(getsid(0) == getpid() && getpgrp() == getpid());
        CHECK_ERRNO(setsid(), EPERM);
        CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
        _exit(0);
    }
    reap_exit(leader, 0);
    say("session %d group %d\n", (int)getsid(0), (int)getpgrp());
    return success();
}
