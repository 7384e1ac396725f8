// Thirty execs in a row in one process.
#include "guest.h"

int main(int argc, char **argv) {
    int round = argc > 1 ? atoi(argv[1]) : 30;
    say("%d: pid %d stack %p\n", round, (int)getpid(), (void *)&round);
    if (round == 0)
        return success();
    char next[16];
    snprintf(next, sizeof next, "%d", round - 1);
    execl(self_path(), argv[0], next, (char *)NULL);
    CHECK(!"exec");
}
