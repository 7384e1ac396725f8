// A SIGFPE handler edits RIP and a register in its context, and the program goes on behind the division.
#include "guest.h"
#include <ucontext.h>

static volatile int divisions;

static void handler(int number, siginfo_t *info, void *context) {
    ucontext_t *user = context;
    CHECK(number == SIGFPE && info->si_code == FPE_INTDIV);
    CHECK(info->si_addr == (void *)user->uc_mcontext.gregs[REG_RIP]);
    // `div %ecx` is two bytes long.
    user->uc_mcontext.gregs[REG_RIP] += 2;
    user->uc_mcontext.gregs[REG_RAX] = 12345;
    divisions++;
}

int main(void) {
    install_info(SIGFPE, handler, 0);
    for (int i = 1; i <= 50; i++) {
        unsigned result;
        __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx" : "=a"(result) : : "rcx", "rdx");
        CHECK(result == 12345 && divisions == i);
    }
    say("main %p\n", (void *)&main);
    return success();
}
