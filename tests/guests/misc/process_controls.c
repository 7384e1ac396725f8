// prctl's small switches read back what was set: dumpable, no new privileges, timer slack, keep capabilities, THP.
#include "guest.h"
#include <sys/personality.h>

int main(void) {
    CHECK(prctl(PR_GET_DUMPABLE) == 1 || prctl(PR_GET_DUMPABLE) == 2);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    CHECK(prctl(PR_SET_TIMERSLACK, 12345) == 0 && prctl(PR_GET_TIMERSLACK) == 12345);
    CHECK(prctl(PR_GET_KEEPCAPS) == 0);
    CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
    int death_signal;
    CHECK(prctl(PR_GET_PDEATHSIG, &death_signal) == 0 && death_signal == SIGUSR1);
    CHECK_ERRNO(prctl(999999, 0, 0, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(PR_SET_NAME, bad_pointer()), EFAULT);
    int current = personality(0xffffffff);
    CHECK(current != -1);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_TSC, &death_signal) == 0);
    say("personality %x\n", current);
    return success();
}
