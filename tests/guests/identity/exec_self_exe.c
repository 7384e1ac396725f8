// exec of /proc/self/exe starts this program again, and not whatever loaded it.
#include "guest.h"

int main(int argc, char **argv) {
    if (argc > 2) {
        CHECK(atoi(argv[1]) == getpid());
        say("pid %s again\n", argv[1]);
        return success();
    }
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    execl("/proc/self/exe", "another", pid, "again", (char *)NULL);
    CHECK(!"exec");
}
