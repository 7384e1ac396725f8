// An environment of a thousand variables and a megabyte in all goes over exec intact.
#include "guest.h"

int main(int argc, char **argv, char **envp) {
    (void)argv;
    if (argc > 1) {
        int count = 0;
        size_t total = 0;
        for (; envp[count]; count++) {
            CHECK(strtol(envp[count] + 4, NULL, 10) == count && envp[count][strlen(envp[count]) - 1] == 'v');
            total += strlen(envp[count]) + 1;
        }
        CHECK(count == 1000 && total > 1000000);
        say("%zu bytes at %p\n", total, (void *)envp);
        return success();
    }
    static char *environment[1001];
    for (int i = 0; i < 1000; i++) {
        environment[i] = malloc(1100);
        int used = snprintf(environment[i], 1100, "VAR_%d=", i);
        memset(environment[i] + used, 'v', 1000);
        environment[i][used + 1000] = 0;
    }
    char *arguments[] = {"large_environment", "again", NULL};
    execve(self_path(), arguments, environment);
    CHECK(!"exec");
}
