// The upper halves of AVX registers survive a handler that clobbers them, faults, and system calls.
#include "guest.h"
#include <immintrin.h>

static volatile int handled;

__attribute__((target("avx2"))) static void handler(int number) {
    (void)number;
    __asm__ volatile("vpcmpeqd %%ymm1, %%ymm1, %%ymm1; vpcmpeqd %%ymm9, %%ymm9, %%ymm9; vzeroupper" ::: "xmm1", "xmm9");
    handled++;
}

__attribute__((target("avx2"))) static void try(long number, long pid, long signal_number) {
    uint64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
    long result = number;
    __asm__ volatile("vmovdqu (%[in]), %%ymm1\n\tvmovdqu 32(%[in]), %%ymm9\n\t"
                     "syscall\n\t"
                     "vmovdqu %%ymm1, (%[out])\n\tvmovdqu %%ymm9, 32(%[out])"
                     : "+a"(result)
                     : [in] "r"(in), [out] "r"(out), "D"(pid), "S"(signal_number)
                     : "rcx", "r11", "xmm1", "xmm9", "memory");
    CHECK(result >= 0);
    CHECK(memcmp(in, out, sizeof in) == 0);
}

int main(void) {
    if (!__builtin_cpu_supports("avx2"))
        SKIP("this CPU has no AVX2");
    install(SIGUSR1, handler, 0);
    for (int i = 0; i < 100; i++) {
        try(SYS_kill, getpid(), SIGUSR1);
        try(SYS_getppid, 0, 0);
        try(SYS_sched_yield, 0, 0);
    }
    CHECK(handled == 100);
    say("pid %d\n", (int)getpid());
    return success();
}
