// A program that asks for fixed addresses by personality and starts itself again, as setarch -R and sanitizers do, goes on.
#include "guest.h"
#include <sys/personality.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        say("main at %p, personality %x\n", (void *)&main, personality(0xffffffff));
        return success();
    }
    int current = personality(0xffffffff);
    if (personality((unsigned long)current | ADDR_NO_RANDOMIZE) == -1)
        SKIP("fixed addresses are forbidden here");
    execl(self_path(), "personality", "again", (char *)NULL);
    CHECK(!"exec");
}
