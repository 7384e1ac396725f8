// ends: signal 11
// The run ends as its first process does: by a write to an address that is not there.
#include "guest.h"

int main(void) {
    say("pid %d\n", (int)getpid());
    success();
    __asm__ volatile("movb $1, 8" ::: "memory");
    return 1;
}
