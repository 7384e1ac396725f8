// flags: -fsanitize=address
// The leak check at exit, which clones a tracer that attaches to the process, finds nothing and changes nothing.
#include "guest.h"

int main(void) {
    char *heap = malloc(100);
    memset(heap, 3, 100);
    say("heap at %p sum %d\n", (void *)heap, heap[0] + heap[99]);
    free(heap);
    return success();
}
