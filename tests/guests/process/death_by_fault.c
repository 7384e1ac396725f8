// Faults kill by the signal that belongs to them: a bad address, division by zero, an undefined instruction, a trap, abort.
#include "guest.h"

int main(void) {
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
    int expected[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGSEGV};
    for (int kind = 0; kind < 7; kind++) {
        pid_t child = fork_checked();
        if (child == 0) {
            switch (kind) {
            case 0:
                __asm__ volatile("movb $1, 16" ::: "memory");
                break;
            case 1:
                __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx" ::: "rax", "rcx", "rdx");
                break;
            case 2:
                __asm__ volatile("ud2");
                break;
            case 3:
                __asm__ volatile("int3");
                break;
            case 4:
                abort();
            case 5:
                // A privileged instruction.
                __asm__ volatile("hlt");
                break;
            case 6:
                // An address that is not canonical.
                __asm__ volatile("movabs $0x8000000000000000, %%rax; movb (%%rax), %%al" ::: "rax");
                break;
            }
            _exit(0);
        }
        reap_killed(child, expected[kind]);
        say("%d by %d\n", (int)child, expected[kind]);
    }
    return success();
}
