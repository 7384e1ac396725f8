// malloc serves sizes from a byte to 256 MiB, and free gives them back.
#include "guest.h"

int main(void) {
    for (size_t size = 1; size <= 256ul << 20; size *= 4) {
        char *block = malloc(size);
        CHECK(block);
        block[0] = block[size - 1] = 1;
        say("%zu at %p\n", size, (void *)block);
        free(block);
    }
    char *blocks[500];
    for (int i = 0; i < 500; i++) {
        blocks[i] = malloc((size_t)i * 37 + 1);
        memset(blocks[i], i, (size_t)i * 37 + 1);
    }
    for (int i = 0; i < 500; i++) {
        CHECK(blocks[i][i * 37] == (char)i);
        free(blocks[i]);
    }
    return success();
}
