// flags: -O2 -pthread
// Threads that run code made at run time, as an interpreter does: only a table leads to the middle of it, and most of its
// instructions are shorter than a jump.
#include "guest.h"

#include <pthread.h>
#include <stdint.h>

enum { THREADS = 3, ROUNDS = 120000000 };

// uint32_t run(void *places[2], uint64_t rounds): goes by turns to the first place and behind its first instruction.
static const unsigned char CODE[] = {
    0x31, 0xc0,                         //     xor   %eax, %eax
    0x31, 0xd2,                         //     xor   %edx, %edx
    0xeb, 0x13,                         //     jmp   next
    0x98,                               // one: cwtl
    0x83, 0xc0, 0x01,                   // two: add   $1, %eax
    0x31, 0xc2,                         //     xor   %eax, %edx
    0xd1, 0xc2,                         //     rol   %edx
    0x81, 0xc2, 0x15, 0x7c, 0x4a, 0x7f, //     add   $0x7f4a7c15, %edx
    0x48, 0xff, 0xce,                   //     dec   %rsi
    0x74, 0x09,                         //     je    end
    0x89, 0xf1,                         // next: mov   %esi, %ecx
    0x83, 0xe1, 0x01,                   //     and   $1, %ecx
    0xff, 0x24, 0xcf,                   //     jmp   *(%rdi, %rcx, 8)
    0x90,                               //     nop
    0x89, 0xd0,                         // end: mov   %edx, %eax
    0xc3,                               //     ret
};
enum { ONE = 6, TWO = 7 };

typedef uint32_t (*run_t)(void *places[2], uint64_t rounds);

static run_t run;
static void *places[2];
static uint32_t results[THREADS];

static void *work(void *number)
{
    results[(long)number] = run(places, ROUNDS);
    return 0;
}

int main(void)
{
    unsigned char *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    memcpy(code, CODE, sizeof CODE);
    run = (run_t)(uintptr_t)code;
    places[0] = code + ONE;
    places[1] = code + TWO;
    pthread_t threads[THREADS];
    for (long number = 0; number < THREADS; number++)
        CHECK(pthread_create(&threads[number], 0, work, (void *)number) == 0);
    for (long number = 0; number < THREADS; number++)
        CHECK(pthread_join(threads[number], 0) == 0);
    printf("%x %x %x\n", results[0], results[1], results[2]);
    CHECK(results[0] == results[1] && results[1] == results[2]);
    return success();
}
