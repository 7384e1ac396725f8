// mkstemp, mkdtemp and tmpnam-like names are random, differ from each other, and are files of this process.
#include "guest.h"

int main(void) {
    enter_scratch();
    char names[10][32];
    for (int i = 0; i < 10; i++) {
        strcpy(names[i], "name-XXXXXX");
        int fd = mkstemp(names[i]);
        CHECK(fd >= 0 && access(names[i], F_OK) == 0);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0);
        say("%s\n", names[i]);
    }
    say("%s\n", guest_scratch);
    return success();
}
