// A system call on a stack of 256 bytes touches nothing below the red zone of it.
#include "guest.h"

static struct {
    unsigned char guard[8192];
    unsigned char stack[256];
} area;

int main(void) {
    memset(area.guard, 0xa5, sizeof area.guard);
    for (int i = 0; i < 20; i++) {
        long result = SYS_getpid;
        __asm__ volatile("mov %%rsp, %%r12\n\t"
                         "mov %[top], %%rsp\n\t"
                         "syscall\n\t"
                         "mov %%r12, %%rsp"
                         : "+a"(result)
                         : [top] "r"(area.stack + sizeof area.stack)
                         : "rcx", "r11", "r12", "memory");
        CHECK(result == getpid());
        for (size_t at = 0; at < sizeof area.guard; at++)
            CHECK(area.guard[at] == 0xa5);
    }
    say("stack %p\n", (void *)area.stack);
    return success();
}
