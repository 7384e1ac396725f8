// AT_RANDOM points at sixteen bytes that differ from program start to program start.
#include "guest.h"
#include <sys/auxv.h>

int main(int argc, char **argv) {
    unsigned char *bytes = (unsigned char *)getauxval(AT_RANDOM);
    CHECK(bytes);
    char text[33];
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    if (argc > 1) {
        CHECK(strcmp(text, argv[1]) != 0);
        say("%s after %s\n", text, argv[1]);
        return success();
    }
    execl(self_path(), "at_random", text, (char *)NULL);
    CHECK(!"exec");
}
