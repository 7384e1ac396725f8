// /proc/self/maps names this executable at the address where main is, and libc.
#include "guest.h"

int main(void) {
    free(malloc(1000));
    static char text[200000];
    read_file("/proc/self/maps", text, sizeof text);
    CHECK(strstr(text, self_path()));
    CHECK(strstr(text, "libc.so.6"));
    uintptr_t low = 0, high = 0;
    int found = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        CHECK(sscanf(line, "%lx-%lx", &low, &high) == 2);
        if ((uintptr_t)&main >= low && (uintptr_t)&main < high)
            found = strstr(line, self_path()) && strstr(line, "r-xp");
    }
    CHECK(found);
    say("main %p\n", (void *)&main);
    return success();
}
