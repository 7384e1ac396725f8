// Arguments arrive as given: empty ones, spaces, newlines, bytes that are not UTF-8, and long ones.
#include "guest.h"

int main(int argc, char **argv) {
    static char lengthy[100001];
    memset(lengthy, 'l', 100000);
    char *arguments[] = {"a name of its own", "", "two words", "line\nbreak", "\xff\xfe", "--", "-x", lengthy, NULL};
    if (argc == 1 && strcmp(argv[0], arguments[0]) != 0) {
        execv(self_path(), arguments);
        CHECK(!"exec");
    }
    CHECK(argc == 8 && argv[8] == NULL);
    for (int i = 0; i < 8; i++)
        CHECK(strcmp(argv[i], arguments[i]) == 0);
    say("argv at %p, strings at %p\n", (void *)argv, (void *)argv[0]);
    return success();
}
