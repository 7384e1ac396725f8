// ends: signal 9
// The run ends as its first process does: killed outright.
#include "guest.h"

int main(void) {
    say("pid %d\n", (int)getpid());
    success();
    kill(getpid(), SIGKILL);
    return 1;
}
