// A file in which it is not certain what reads the cycle counter asks for the CPU's identity, on any core.
#include "guest.h"
#include <cpuid.h>
#include <sched.h>

int main(void) {
    for (int turn = 0; turn < 20; turn++) {
        cpu_set_t core;
        CPU_ZERO(&core);
        CPU_SET(turn % 2, &core);
        sched_setaffinity(0, sizeof core, &core);
        unsigned a, b, c, d;
        __cpuid(1, a, b, c, d);
        say("core %u\n", b >> 24);
        // Nobody takes what it reads: these bytes might be data.
        __asm__ volatile("rdtsc" : : : "eax", "edx");
    }
    return success();
}
