// Whether there is a vDSO or none, the program's clock reads agree with the raw system call.
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

int main(void) {
    unsigned char *image = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
    if (image)
        CHECK(memcmp(image, ELFMAG, SELFMAG) == 0);
    for (int i = 0; i < 1000; i++) {
        struct timespec raw;
        uint64_t first = now_ns(CLOCK_MONOTONIC);
        CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw) == 0);
        uint64_t second = now_ns(CLOCK_MONOTONIC), middle = (uint64_t)raw.tv_sec * 1000000000u + (uint64_t)raw.tv_nsec;
        CHECK(first <= middle && middle <= second);
    }
    say("at %lu\n", (unsigned long)now_ns(CLOCK_MONOTONIC));
    return success();
}
