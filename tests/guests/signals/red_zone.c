// flags: -mred-zone
// The 128 bytes below the stack pointer survive system calls and handlers that run on the same stack.
#include "guest.h"

static volatile int handled;

static void handler(int number) {
    (void)number;
    volatile char noise[2000];
    memset((char *)noise, 0xee, sizeof noise);
    handled++;
}

__attribute__((noinline)) static int try(long number, long first, long second) {
    long wrong = 0;
    __asm__ volatile("mov $0x5a5a5a5a, %%r12d\n\t"
                     "mov $-128, %%rcx\n"
                     "1:\n\tmov %%r12, (%%rsp,%%rcx)\n\tadd $8, %%rcx\n\tjnz 1b\n\t"
                     "syscall\n\t"
                     "mov $-128, %%rcx\n"
                     "2:\n\tcmp %%r12, (%%rsp,%%rcx)\n\tje 3f\n\tinc %[wrong]\n"
                     "3:\n\tadd $8, %%rcx\n\tjnz 2b"
                     : "+a"(number), [wrong] "+r"(wrong)
                     : "D"(first), "S"(second)
                     : "rcx", "rdx", "r11", "r12", "memory", "cc");
    return (int)wrong;
}

int main(void) {
    install(SIGUSR1, handler, 0);
    long pid = getpid();
    for (int i = 0; i < 50; i++) {
        CHECK(try(SYS_getppid, 0, 0) == 0);
        CHECK(try(SYS_kill, pid, SIGUSR1) == 0);
    }
    CHECK(handled == 50);
    say("pid %ld\n", pid);
    return success();
}
