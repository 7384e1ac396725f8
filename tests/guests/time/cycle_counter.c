// rdtsc and rdtscp in a loop give values that never fall; rdtscp also names the CPU.
#include "guest.h"

static uint64_t counter(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t counter_and_cpu(uint32_t *cpu) {
    uint32_t low, high;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*cpu));
    return (uint64_t)high << 32 | low;
}

int main(void) {
    uint64_t last = 0, sum = 0;
    uint32_t cpu = 0;
    for (int i = 0; i < 5000; i++) {
        uint64_t now = counter();
        CHECK(now >= last);
        last = counter_and_cpu(&cpu);
        CHECK(last >= now);
        sum = sum * 31 + now;
    }
    say("%lu %016lx on %x\n", (unsigned long)last, (unsigned long)sum, cpu);
    return success();
}
