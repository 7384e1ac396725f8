// Code made at run time asks for the number of the core, at once and after its memory was made executable in a second step.
#include "guest.h"
#include <sys/mman.h>

// push %rbx; mov $1, %eax; xor %ecx, %ecx; cpuid; mov %ebx, %eax; pop %rbx; ret
static const unsigned char ASKS[] = {0x53, 0xb8, 1, 0, 0, 0, 0x31, 0xc9, 0x0f, 0xa2, 0x89, 0xd8, 0x5b, 0xc3};

static unsigned core(int prot) {
    unsigned char *at = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    memcpy(at, ASKS, sizeof ASKS);
    if (!(prot & PROT_EXEC))
        CHECK(mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0);
    return ((unsigned (*)(void))(uintptr_t)at)() >> 24;
}

int main(void) {
    for (int i = 0; i < 3; i++)
        say("cores %u %u\n", core(PROT_READ | PROT_WRITE | PROT_EXEC), core(PROT_READ | PROT_WRITE));
    return success();
}
