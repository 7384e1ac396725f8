// cpuid gives the vendor and features, the same each time, and the number of the core, which is anyone's guess.
#include "guest.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b, c, d;
    char vendor[13] = "";
    __cpuid(0, a, b, c, d);
    memcpy(vendor, &b, 4), memcpy(vendor + 4, &d, 4), memcpy(vendor + 8, &c, 4);
    say("%s, %u leaves\n", vendor, a);
    CHECK(strlen(vendor) == 12);
    for (int i = 0; i < 100; i++) {
        unsigned a1, b1, c1, d1, a2, b2, c2, d2;
        __cpuid(1, a1, b1, c1, d1);
        __cpuid(1, a2, b2, c2, d2);
        CHECK(a1 == a2 && (b1 & 0xffffff) == (b2 & 0xffffff) && c1 == c2 && d1 == d2);
        CHECK(d1 & (1u << 26));
        if (i % 20 == 0)
            say("apic %u\n", b1 >> 24);
    }
    __cpuid_count(7, 0, a, b, c, d);
    say("features %08x %08x %08x\n", b, c, d);
    return success();
}
