// Endless recursion ends in SIGSEGV, which a handler on its own stack sees with the address close to the stack pointer.
#include "guest.h"
#include <ucontext.h>

static void on_segv(int number, siginfo_t *info, void *context) {
    (void)number;
    uintptr_t sp = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
    uintptr_t at = (uintptr_t)info->si_addr;
    CHECK(at + 65536 * 2 > sp && at < sp + 65536 * 2);
    say("overflow at %p\n", info->si_addr);
    success();
    _exit(0);
}

// The compiler cannot know that the byte never becomes zero, and so keeps quiet about the recursion.
__attribute__((noinline)) static int descend(volatile char *above) {
    volatile char frame[4096];
    frame[0] = above[0];
    if (frame[0] == 0)
        return 0;
    return descend(frame) + frame[0];
}

int main(void) {
    static char stack[65536];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternative, NULL) == 0);
    install_info(SIGSEGV, on_segv, SA_ONSTACK);
    char start = 1;
    return descend(&start);
}
