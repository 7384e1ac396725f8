// A handler lets the interrupted code go on by a return, not by the kernel: at each place where it was stopped, later,
// and while it is to be stopped again a few bytes before. (Runtimes that preempt their threads by signals do so.)
#include "guest.h"

enum { TURNS = 60 };

uint64_t turns, sum;

// Keeps all registers and flags, counts the turn, and returns to where the handler found the program.
__asm__(".globl resume_by_return\n"
        "resume_by_return:\n"
        "pushfq; push %rax; push %rcx\n"
        "incq turns(%rip)\n"
        "mov turns(%rip), %rax\n"
        "mov $500, %ecx\n"
        "1: add %rcx, %rax; rol $7, %rax; dec %ecx; jnz 1b\n"
        "add %rax, sum(%rip)\n"
        "pop %rcx; pop %rax; popfq\n"
        "ret\n");
void resume_by_return(void);

// A short instruction before a long one, so that a jump in the place of the first would cover part of the second.
__asm__(".globl go_round\n"
        "go_round:\n"
        "mov %rdi, %rcx\n"
        "mov %rsi, %rdx\n"
        "xor %eax, %eax\n"
        "1: mov (%rcx), %rsi\n"
        "movabs $0x5851f42d4c957f2d, %rdi\n"
        "imul %rdi, %rsi\n"
        "inc %rsi\n"
        "mov %rsi, (%rcx)\n"
        "inc %rax\n"
        "cmp %rdx, turns(%rip)\n"
        "jb 1b\n"
        "ret\n");
uint64_t go_round(uint64_t *cell, uint64_t until);

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t at = (uint64_t)registers[REG_RIP], start = (uint64_t)go_round;
    if (at < start || at >= start + 64) return;
    registers[REG_RSP] -= 8;
    *(uint64_t *)registers[REG_RSP] = at;
    registers[REG_RIP] = (greg_t)resume_by_return;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    uint64_t cell = 1, passes;
    CHECK(sigaction(SIGALRM, &action, 0) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, 0) == 0);
    passes = go_round(&cell, TURNS);
    timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
    CHECK(setitimer(ITIMER_REAL, &timer, 0) == 0);
    CHECK(turns >= TURNS);
    say("%lu passes, %lx, %lx\n", (unsigned long)passes, (unsigned long)cell, (unsigned long)sum);
    return success();
}
