// A system call changes rax, rcx and r11 and nothing else: all other registers, the flags and the stack pointer stay.
#include "guest.h"

static uint64_t before[14];

// The assembly below names it.
__attribute__((visibility("hidden"))) uint64_t after[14];

__attribute__((noinline)) static long call_and_compare(long number) {
    long result;
    for (int i = 0; i < 14; i++)
        before[i] = 0x1010101010101010ul * (uint64_t)(i + 1) + (uint64_t)i;
    // rdi to r9 hold arguments that the call ignores.
    __asm__ volatile("push %%rbp\n\tpush %%rbx\n\tpush %%r12\n\tpush %%r13\n\tpush %%r14\n\tpush %%r15\n\t"
                     "mov 0(%[before]), %%rbx\n\tmov 8(%[before]), %%rdx\n\tmov 16(%[before]), %%rsi\n\tmov 24(%[before]), %%rdi\n\t"
                     "mov 32(%[before]), %%r8\n\tmov 40(%[before]), %%r9\n\tmov 48(%[before]), %%r10\n\tmov 56(%[before]), %%r12\n\t"
                     "mov 64(%[before]), %%r13\n\tmov 72(%[before]), %%r14\n\tmov 80(%[before]), %%r15\n\t"
                     "mov %%rsp, %%rbp\n\t"
                     "syscall\n\t"
                     "cmp %%rsp, %%rbp\n\tjne 1f\n\t"
                     "lea after(%%rip), %%rcx\n\t"
                     "mov %%rbx, 0(%%rcx)\n\tmov %%rdx, 8(%%rcx)\n\tmov %%rsi, 16(%%rcx)\n\tmov %%rdi, 24(%%rcx)\n\t"
                     "mov %%r8, 32(%%rcx)\n\tmov %%r9, 40(%%rcx)\n\tmov %%r10, 48(%%rcx)\n\tmov %%r12, 56(%%rcx)\n\t"
                     "mov %%r13, 64(%%rcx)\n\tmov %%r14, 72(%%rcx)\n\tmov %%r15, 80(%%rcx)\n\t"
                     "jmp 2f\n"
                     "1:\n\tud2\n"
                     "2:\n\tpop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%rbx\n\tpop %%rbp"
                     : "=a"(result)
                     : "a"(number), [before] "c"(before)
                     : "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    for (int i = 0; i < 11; i++)
        CHECK(before[i] == after[i]);
    return result;
}

int main(void) {
    // A container's filter answers EPERM where the kernel would say ENOSYS.
    CHECK(syscall(600) == -1 && (errno == ENOSYS || errno == EPERM));
    long refusal = -errno;
    for (int i = 0; i < 50; i++) {
        CHECK(call_and_compare(SYS_getpid) == getpid());
        CHECK(call_and_compare(SYS_sched_yield) == 0);
        CHECK(call_and_compare(600) == refusal);
    }
    // The carry and direction flags come back as they were.
    unsigned char carry;
    long result = SYS_getppid;
    __asm__ volatile("stc\n\tsyscall\n\tsetc %1" : "+a"(result), "=q"(carry) : : "rcx", "r11", "memory", "cc");
    CHECK(carry == 1);
    result = SYS_getppid;
    __asm__ volatile("clc\n\tsyscall\n\tsetc %1" : "+a"(result), "=q"(carry) : : "rcx", "r11", "memory", "cc");
    CHECK(carry == 0);
    long flags;
    result = SYS_getppid;
    __asm__ volatile("std\n\tsyscall\n\tpushf\n\tpop %1\n\tcld" : "+a"(result), "=r"(flags) : : "rcx", "r11", "memory", "cc");
    CHECK(flags & 0x400);
    say("pid %d\n", (int)getpid());
    return success();
}
