// Eight children write lines to one pipe without any order; each line arrives whole, in whatever order came about.
#include "guest.h"

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    for (int writer = 0; writer < 8; writer++) {
        if (fork_checked() == 0) {
            for (int line = 0; line < 40; line++)
                dprintf(pipes[1], "%d:%02d:%07d\n", writer, line, (int)getpid());
            _exit(0);
        }
    }
    close(pipes[1]);
    FILE *from = fdopen(pipes[0], "r");
    char line[100];
    int next[8] = {0}, total = 0;
    while (fgets(line, sizeof line, from)) {
        int writer, number, pid;
        CHECK(strlen(line) == 13 && sscanf(line, "%d:%d:%d", &writer, &number, &pid) == 3);
        CHECK(next[writer]++ == number);
        total++;
        say("%s", line);
    }
    CHECK(total == 320);
    while (wait(NULL) > 0)
        ;
    return success();
}
