// mremap moves pages to an address that the program chose; the old place is gone, and so is what lay at the new one.
#include "guest.h"

int main(void) {
    char *from = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(from != MAP_FAILED && to != MAP_FAILED);
    memset(from, 'a', 8192);
    memset(to, 'b', 8192);
    CHECK(mremap(from, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    CHECK(to[0] == 'a' && to[8191] == 'a');
    unsigned char resident;
    CHECK_ERRNO(mincore(from, 4096, &resident), ENOMEM);
    CHECK(mremap(from, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    say("moved from %p to %p\n", (void *)from, (void *)to);
    return success();
}
