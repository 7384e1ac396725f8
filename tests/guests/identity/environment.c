// The environment is the one that was passed: nothing is added, and order is kept over exec.
#include "guest.h"

int main(int argc, char **argv, char **envp) {
    (void)argv;
    if (argc == 1) {
        // REENACT_NET is what a user sets to choose the net, so it is part of the user's own environment.
        for (char **entry = envp; *entry; entry++)
            if (strncmp(*entry, "REENACT", 7) == 0 && strncmp(*entry, "REENACT_NET=", 12) != 0) {
                say("unexpected: %s\n", *entry);
                CHECK(!"an environment variable of the engine");
            }
        CHECK(getenv("LD_PRELOAD") == NULL && getenv("LD_AUDIT") == NULL);
        char *environment[] = {"ZED=last first", "EMPTY=", "NO_EQUALS_SIGN", "A=1", "A=2", NULL};
        execle(self_path(), "environment", "second", (char *)NULL, environment);
        CHECK(!"exec");
    }
    const char *expected[] = {"ZED=last first", "EMPTY=", "NO_EQUALS_SIGN", "A=1", "A=2"};
    for (int i = 0; i < 5; i++)
        CHECK(envp[i] && strcmp(envp[i], expected[i]) == 0);
    CHECK(envp[5] == NULL);
    char environ_file[4096];
    size_t length = read_file("/proc/self/environ", environ_file, sizeof environ_file);
    CHECK(length == strlen("ZED=last first EMPTY= NO_EQUALS_SIGN A=1 A=2 "));
    CHECK(memcmp(environ_file, "ZED=last first\0EMPTY=\0NO_EQUALS_SIGN\0A=1\0A=2", length) == 0);
    say("environment at %p\n", (void *)envp);
    return success();
}
