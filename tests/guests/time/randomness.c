// getrandom and getentropy fill buffers of all sizes with bytes that do not repeat.
#include "guest.h"
#include <sys/random.h>

int main(void) {
    unsigned char bytes[300] = {0}, more[300] = {0};
    for (size_t size = 16; size <= 256; size *= 2) {
        CHECK(getrandom(bytes, size, 0) == (ssize_t)size && getrandom(more, size, GRND_NONBLOCK) == (ssize_t)size);
        CHECK(memcmp(bytes, more, size) != 0 && bytes[size] == 0);
        for (size_t i = 0; i < 16; i++)
            say("%02x", bytes[i]);
        say("\n");
        memset(bytes, 0, sizeof bytes);
    }
    CHECK(getentropy(bytes, 32) == 0);
    CHECK_ERRNO(getentropy(bytes, 257), EIO);
    CHECK_ERRNO(getrandom(bytes, 10, 0xff), EINVAL);
    static unsigned char large[70000];
    CHECK(getrandom(large, sizeof large, 0) == sizeof large);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof large; i++)
        sum = sum * 31 + large[i];
    say("%08x\n", sum);
    return success();
}
