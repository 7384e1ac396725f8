// ends: signal 15
// The run ends as its first process does: by a signal whose default action is death.
#include "guest.h"

int main(void) {
    say("pid %d\n", (int)getpid());
    success();
    raise(SIGTERM);
    return 1;
}
