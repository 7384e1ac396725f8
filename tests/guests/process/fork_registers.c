// A child starts with its parent's callee-saved registers, stack contents and SSE registers.
#include "guest.h"

int main(void) {
    register long rbx __asm__("rbx") = 0x1111;
    register long r12 __asm__("r12") = 0x2222;
    register long r13 __asm__("r13") = 0x3333;
    register long r14 __asm__("r14") = 0x4444;
    register long r15 __asm__("r15") = 0x5555;
    double pi = 3.25;
    double kept;
    long result = SYS_fork;
    __asm__ volatile("movq %[pi], %%xmm7\n\tsyscall\n\tmovq %%xmm7, %[kept]"
                     : "+a"(result), [kept] "=&x"(kept), "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
                     : [pi] "x"(pi)
                     : "rcx", "r11", "xmm7", "memory");
    CHECK(result >= 0);
    CHECK(rbx == 0x1111 && r12 == 0x2222 && r13 == 0x3333 && r14 == 0x4444 && r15 == 0x5555);
    CHECK(kept == 3.25);
    if (result == 0)
        _exit(9);
    reap_exit((pid_t)result, 9);
    say("child %ld\n", result);
    return success();
}
