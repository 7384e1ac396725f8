// flags: -fsanitize=thread
// A program under ThreadSanitizer, which claims fixed ranges of 16 to 36 TiB, runs.
#include "guest.h"

static int counter;

int main(void) {
    for (int i = 0; i < 1000; i++) {
        char *heap = malloc((size_t)i + 1);
        heap[i] = 1;
        counter += heap[i];
        free(heap);
    }
    CHECK(counter == 1000);
    say("counter at %p\n", (void *)&counter);
    return success();
}
