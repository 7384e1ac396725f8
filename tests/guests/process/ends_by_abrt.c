// ends: signal 6
// The run ends as its first process does: by abort.
#include "guest.h"

int main(void) {
    say("pid %d\n", (int)getpid());
    success();
    abort();
    return 1;
}
