// Two megabytes of unpredictable output on stdout and a quarter on stderr, in pieces of all sizes.
#include "guest.h"

int main(void) {
    uint64_t state = now_ns(CLOCK_REALTIME) | 1;
    char line[4000];
    size_t total = 0;
    while (total < 2u << 20) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t length = state % 3900 + 20;
        memset(line, 'a' + (int)(state >> 40) % 26, length);
        line[length - 1] = '\n';
        write_all(1, line, length);
        if (state % 8 == 0)
            write_all(2, line, length);
        total += length;
    }
    return success();
}
