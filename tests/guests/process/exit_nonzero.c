// ends: exit 37
// The exit code of the first process is that of the run.
#include "guest.h"

int main(void) {
    say("pid %d\n", (int)getpid());
    success();
    return 37;
}
