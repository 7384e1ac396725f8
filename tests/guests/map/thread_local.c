// Thread-local variables and the fs register keep their values over system calls and forks.
#include "guest.h"
#include <asm/prctl.h>

static __thread int initialised = 5;
static __thread char zeroed[3000];

int main(void) {
    unsigned long base = 0, again = 0;
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base) == 0);
    CHECK(initialised == 5 && zeroed[2999] == 0);
    initialised = 6;
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(initialised == 6);
        initialised = 7;
        _exit(initialised);
    }
    reap_exit(child, 7);
    CHECK(initialised == 6);
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &again) == 0 && base == again);
    CHECK(*(unsigned long *)base == base);
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, &again) == 0);
    unsigned long through_gs;
    getppid();
    __asm__ volatile("mov %%gs:0, %0" : "=r"(through_gs));
    CHECK(through_gs == again);
    say("fs %#lx\n", base);
    return success();
}
