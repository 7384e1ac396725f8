// Compares all code that it was loaded from files with these files, before and after it has made many calls from the
// same places, and prints how many bytes differ. Ends with 0 if none does, with 1 if some do. CPUID counts as unchanged
// where HLT stands for it: some CPUs cannot trap it.
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { CALLS = 500 };

static void call_often(void) {
    struct timespec now;
    unsigned a, b, c, d;
    char byte;
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    if (null < 0 || zero < 0)
        exit(2);
    for (int i = 0; i < CALLS; i++) {
        getppid();
        syscall(SYS_getuid);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (write(null, &byte, 1) != 1 || read(zero, &byte, 1) != 1)
            exit(2);
        if (i % 50 == 0) {
            __rdtsc();
            __cpuid(0, a, b, c, d);
        }
        __asm__ volatile("mov $39, %%eax; syscall; cmp $-4096, %%rax" ::: "rax", "rcx", "r11", "memory", "cc");
    }
    close(null);
    close(zero);
}

// What is not backed by a file that can be opened is not of the program's.
static long differing(const char *when) {
    static char line[8192], memory[4096], file_bytes[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    long all = 0, compared = 0;
    if (!maps)
        exit(2);
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to, offset;
        char mode[8], path[4096];
        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &from, &to, mode, &offset, path) != 5 || mode[2] != 'x' || path[0] != '/')
            continue;
        int file = open(path, O_RDONLY);
        if (file < 0)
            continue;
        for (unsigned long at = from; at < to; at += sizeof memory) {
            ssize_t got = pread(file, file_bytes, sizeof file_bytes, (off_t)(offset + (at - from)));
            // A copy first: the bytes are looked at once, whoever changes them meanwhile.
            memcpy(memory, (const void *)at, sizeof memory);
            for (ssize_t i = 0; i < got; i++) {
                int hidden = i + 1 < got && memcmp(&file_bytes[i], "\x0f\xa2", 2) == 0 && memcmp(&memory[i], "\xf4\xa2", 2) == 0;
                all += memory[i] != file_bytes[i] && !hidden;
            }
            compared += got;
        }
        close(file);
    }
    fclose(maps);
    printf("%s: %ld of %ld bytes of code differ\n", when, all, compared);
    if (compared < 4096)
        exit(2);
    return all;
}

int main(void) {
    long first = differing("at the start");
    call_often();
    long then = differing("after many calls");
    return first != 0 || then != 0;
}
