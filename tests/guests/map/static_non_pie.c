// flags: -static -fno-pie -no-pie
// A static executable with fixed addresses runs without a dynamic loader.
#include "guest.h"

static char bss[100000];
static int data = 42;
static int *pointer = &data;

int main(void) {
    char local;
    char *heap = malloc(1000);
    CHECK(pointer == &data && data == 42);
    for (size_t i = 0; i < sizeof bss; i++)
        CHECK(bss[i] == 0);
    CHECK((uintptr_t)&main < 0x10000000);
    say("main %p data %p bss %p heap %p stack %p\n", (void *)&main, (void *)&data, (void *)bss, (void *)heap, (void *)&local);
    free(heap);
    return success();
}
