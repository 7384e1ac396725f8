// rdtsc between other instructions of every kind, as a jump's target and at a function's end, keeps all other registers.
#include "guest.h"

__attribute__((naked, noinline)) static uint64_t leaf(void) {
    __asm__ volatile("rdtsc\n\tshl $32, %rdx\n\tor %rdx, %rax\n\tret");
}

int main(void) {
    uint64_t last = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t now = leaf();
        CHECK(now > last);
        last = now;
        uint64_t rounds = 3, low = 0, high = 0, kept = 0x1234567812345678;
        __asm__ volatile("1:\n\trdtsc\n\tdec %[rounds]\n\tjnz 1b\n\tnop"
                         : "=a"(low), "=d"(high), [rounds] "+r"(rounds), "+r"(kept)
                         :
                         : "cc");
        CHECK(kept == 0x1234567812345678 && rounds == 0);
        now = high << 32 | low;
        CHECK(now >= last);
        last = now;
        unsigned char carry;
        __asm__ volatile("stc\n\trdtsc\n\tsetc %0" : "=c"(carry) : : "rax", "rdx", "cc");
        CHECK(carry == 1);
    }
    say("%lu\n", (unsigned long)last);
    return success();
}
