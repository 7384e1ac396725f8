// What serves as a mark inside a recording is a harmless failure or nothing outside one, and a program goes on either way.
#include "guest.h"

int main(void) {
    for (int i = 0; i < 10; i++) {
        int found = access("/.reenact/mark/half-way", F_OK);
        CHECK(found == 0 || errno == ENOENT);
    }
    say("pid %d\n", (int)getpid());
    return success();
}
