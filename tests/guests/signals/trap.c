// int3 raises SIGTRAP with RIP behind it, and ud2 raises SIGILL with RIP on it.
#include "guest.h"
#include <ucontext.h>

static volatile int traps, illegal;

static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    traps++;
}

static void on_illegal(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;
    CHECK(number == SIGILL && info->si_addr == (void *)user->uc_mcontext.gregs[REG_RIP]);
    user->uc_mcontext.gregs[REG_RIP] += 2;
    illegal++;
}

int main(void) {
    install_info(SIGTRAP, on_trap, 0);
    install_info(SIGILL, on_illegal, 0);
    for (int i = 1; i <= 10; i++) {
        __asm__ volatile("int3");
        CHECK(traps == i);
        __asm__ volatile("ud2");
        CHECK(illegal == i);
    }
    say("%d traps, pid %d\n", traps, (int)getpid());
    return success();
}
