// A path below the folder of marks that names no kind of mark is a path like any other.
#include "guest.h"

int main(void) {
    for (int i = 0; i < 10; i++) {
        int found = access("/.reenact/mark/half-way", F_OK);
        CHECK(found == 0 || errno == ENOENT);
    }
    say("pid %d\n", (int)getpid());
    return success();
}
