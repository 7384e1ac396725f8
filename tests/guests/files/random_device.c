// /dev/urandom, /dev/zero, /dev/null and /dev/full behave as the devices they are.
#include "guest.h"

int main(void) {
    unsigned char bytes[32] = {0}, more[32] = {0};
    int random = open("/dev/urandom", O_RDONLY), zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR), full = open("/dev/full", O_RDWR);
    CHECK(random >= 0 && zero >= 0 && null >= 0);
    CHECK(read(random, bytes, 32) == 32 && read(random, more, 32) == 32 && memcmp(bytes, more, 32) != 0);
    for (int i = 0; i < 32; i++)
        say("%02x", bytes[i]);
    say("\n");
    CHECK(read(zero, bytes, 32) == 32 && bytes[0] == 0 && bytes[31] == 0);
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    CHECK(area != MAP_FAILED && area[8191] == 0);
    CHECK(read(null, bytes, 1) == 0 && write(null, bytes, 32) == 32);
    if (full >= 0)
        CHECK_ERRNO(write(full, "x", 1), ENOSPC);
    static unsigned char large[100000];
    CHECK(read(random, large, sizeof large) == sizeof large);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof large; i++)
        sum += large[i];
    say("%u\n", sum);
    return success();
}
