// flags: -mno-avx
// SSE registers, MXCSR and the x87 stack survive a handler that clobbers them, and system calls.
#include "guest.h"

static void handler(int number) {
    (void)number;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15; fninit" ::: "xmm0", "xmm7", "xmm15");
    unsigned control = 0x1fa0;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
}

int main(void) {
    install(SIGUSR1, handler, 0);
    pid_t pid = getpid();
    for (int i = 0; i < 100; i++) {
        long double on_stack;
        double first = 1.5 + i, second = 2.5 + i, third = 3.5 + i;
        unsigned control = 0x1f80 | (unsigned)(i % 4) << 13, after;
        long result = SYS_kill;
        __asm__ volatile("ldmxcsr %[control]\n\t"
                         "fldpi\n\t"
                         "movq %[first], %%xmm0\n\tmovq %[second], %%xmm7\n\tmovq %[third], %%xmm15\n\t"
                         "syscall\n\t"
                         "movq %%xmm0, %[first]\n\tmovq %%xmm7, %[second]\n\tmovq %%xmm15, %[third]\n\t"
                         "fstpt %[on_stack]\n\t"
                         "stmxcsr %[after]"
                         : "+a"(result), [first] "+r"(first), [second] "+r"(second), [third] "+r"(third), [on_stack] "=m"(on_stack), [after] "=m"(after)
                         : "D"((long)pid), "S"((long)SIGUSR1), [control] "m"(control)
                         : "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
        CHECK(result == 0);
        CHECK(first == 1.5 + i && second == 2.5 + i && third == 3.5 + i);
        CHECK(on_stack > 3.14159L && on_stack < 3.1416L && after == control);
    }
    unsigned usual = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(usual));
    say("pid %d\n", (int)pid);
    return success();
}
