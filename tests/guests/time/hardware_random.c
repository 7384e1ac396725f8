// Random numbers of the CPU's own, where it says that it has them: a program that asks first gets what a replay gives again.
#include "guest.h"
#include <cpuid.h>

static int machine_catches_cpuid(void) {
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "r");
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file))
        found = strstr(line, " cpuid_fault") != NULL;
    if (file)
        fclose(file);
    return found;
}

int main(void) {
    if (!machine_catches_cpuid())
        SKIP("this CPU does not let CPUID be caught");
    unsigned a, b, c, d;
    unsigned long value = 0;
    __cpuid(1, a, b, c, d);
    if (c & bit_RDRND)
        __asm__ volatile("1: rdrand %0; jnc 1b" : "+r"(value)::"cc");
    else
        CHECK(syscall(SYS_getrandom, &value, sizeof value, 0) == sizeof value);
    __cpuid_count(7, 0, a, b, c, d);
    unsigned long seed = 0;
    if (b & bit_RDSEED)
        __asm__ volatile("1: rdseed %0; jnc 1b" : "+r"(seed)::"cc");
    say("%lx %lx\n", value, seed);
    return success();
}
