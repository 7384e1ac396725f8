// system and popen run shell commands, give back their status and pass their output.
#include "guest.h"

int main(void) {
    CHECK(WEXITSTATUS(system("exit 7")) == 7);
    CHECK(system("true") == 0);
    int status = system("kill -TERM $$");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    FILE *from = popen("echo $PPID; echo $$; date +%N", "r");
    CHECK(from);
    char line[100];
    CHECK(fgets(line, sizeof line, from) && atoi(line) == getpid());
    while (fgets(line, sizeof line, from))
        say("%s", line);
    CHECK(pclose(from) == 0);
    FILE *to = popen("cat >&2; exit 3", "w");
    CHECK(to && fprintf(to, "to stderr from %d\n", (int)getpid()) > 0);
    CHECK(WEXITSTATUS(pclose(to)) == 3);
    return success();
}
