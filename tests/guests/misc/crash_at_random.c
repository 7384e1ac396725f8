// ends: signal 11
// A program writes to an address that it drew at random, and dies there: the same signal at the same address in a replay.
#include "guest.h"
#include <sys/random.h>

static void handler(int number, siginfo_t *info, void *context) {
    (void)context;
    say("fault at %p\n", info->si_addr);
    success();
    signal(number, SIG_DFL);
}

int main(void) {
    uintptr_t address;
    CHECK(getrandom(&address, sizeof address, 0) == sizeof address);
    // Within the first megabyte but not at zero, where nothing is ever mapped.
    address = 4096 + (address & 0xeff0) / 2;
    say("about to write to %p\n", (void *)address);
    install_info(SIGSEGV, handler, 0);
    *(volatile int *)address = 1;
    return 0;
}
