// Registers that a call does not use may hold anything, and upper halves of 32-bit arguments are ignored.
#include "guest.h"

static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return number;
}

int main(void) {
    long noise = (long)now_ns(CLOCK_MONOTONIC) << 20;
    for (int i = 0; i < 20; i++) {
        CHECK(call(SYS_getpid, noise, noise, noise, noise, noise, noise) == getpid());
        CHECK(call(SYS_close, 0x123400000000 | 999, noise, noise, noise, noise, noise) == -EBADF);
        char text[1];
        CHECK(call(SYS_read, (long)0xffffffff00000000 | 999, (long)text, 1, noise, noise, noise) == -EBADF);
        CHECK(call(SYS_write, 1, (long)"x\n", 2, noise, noise, noise) == 2);
        CHECK(call(SYS_dup, 0x500000001, 0, 0, 0, 0, 0) >= 0);
    }
    return success();
}
